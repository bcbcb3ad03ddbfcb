// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/routes.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <ranges>
#include <vector>

#include "machine/on_demand.h"
#include "p2plab/detail/parallel_links.h"
#include "paths/nearest_paths.h"
#include "paths/pair_kinds_builder.h"
#include "paths/sender_kinds.h"

namespace p2plab {

namespace {

// The paths of one sender, one after another.
struct Ways {
  std::vector<std::uint32_t> ends = {0};
  std::vector<LinkId> links = {};
  bool only_ones = true;  // no path has an equal

  std::span<const LinkId> to(std::size_t target) const { return {links.data() + ends[target], ends[target + 1] - ends[target]}; }
  void add(std::span<const LinkId> path) {
    links.insert(links.end(), path.begin(), path.end());
    ends.push_back(static_cast<std::uint32_t>(links.size()));
  }
};

struct LazyWays {
  std::atomic<bool> known = false;
  Ways ways;
};

}  // namespace

// Senders are ranks first, then the distinct hosts that hold their memory; so are receivers.
class Routes::Table {
 public:
  explicit Table(const Topology& topology)
      : topology_(topology), parallel_(topology_), ranks_(static_cast<std::size_t>(topology.ranks())), paths_(topology_), kinds_(topology_) {
    for (std::size_t r = 0; r < ranks_; ++r) ends_.push_back(topology.node_of(Rank{static_cast<std::int64_t>(r)}));
    kinds_.set(ends_);
    find_hosts();
    for (const auto& host : hosts_) {
      const auto found = host ? std::ranges::find(ends_, *host) : ends_.end();
      host_end_.push_back(static_cast<std::size_t>(found - ends_.begin()));
      if (host && found == ends_.end()) ends_.push_back(*host);
    }
    kinds_.set(ends_);
    to_ranks_ = std::vector<LazyWays>(ends_.size());
    to_hosts_ = std::vector<LazyWays>(ranks_);
  }

  std::span<const LinkId> between(std::size_t from, Rank to) const { return ways(to_ranks_, from).to(to.index()); }
  std::span<const LinkId> to_host(Rank from, Rank owner) const {
    return hosts_[owner.index()] ? ways(to_hosts_, from.index()).to(host_end_[owner.index()] - ranks_) : std::span<const LinkId>{};
  }
  std::span<const LinkId> from_host(Rank owner, Rank to) const {
    return hosts_[owner.index()] ? between(host_end_[owner.index()], to) : std::span<const LinkId>{};
  }
  std::optional<NodeId> host_of(Rank rank) const { return hosts_[rank.index()]; }
  const ParallelLinks& parallel() const { return parallel_; }

  const PairKinds& kinds() const {
    if (const auto* known = known_kinds_.load(std::memory_order_acquire)) return *known;
    const std::lock_guard lock(grouping_);
    if (!grouped_) grouped_.emplace(find_kinds());
    known_kinds_.store(&*grouped_, std::memory_order_release);
    return *grouped_;
  }

  // Paths of senders that nobody asks for are not made for that.
  bool connected(Rank from, Rank to) const {
    if (from == to) return true;
    const auto* known = known_kinds_.load(std::memory_order_acquire);
    return known != nullptr ? known->of(from, to) != PairKinds::no_path : !between(from.index(), to).empty();
  }

 private:
  // Those of the first rank of a kind are looked for; the others' are its images if no other host is as near.
  void find_hosts() {
    std::vector<bool> only_one(ranks_);
    hosts_.resize(ranks_);
    for (const auto rank : kinds_.in_turn()) {
      const auto& kin = kinds_.of(rank);
      if (kin.before && only_one[kin.first]) {
        const auto host = hosts_[*kin.before];
        hosts_[rank] = host ? std::optional(kinds_.moved(kin, *host)) : host;
        continue;
      }
      const auto [host, nearest] = paths_.host_of(ends_[rank]);
      hosts_[rank] = host;
      only_one[rank] = nearest;
    }
  }

  PairKinds find_kinds() const {
    PairKindsBuilder builder(topology_, parallel_);
    std::vector<std::uint32_t> row(ranks_);
    for (const auto from : kinds_.in_turn()) {
      if (from >= ranks_) continue;
      const Rank sender{static_cast<std::int64_t>(from)};
      const auto& kin = kinds_.of(from);
      if (kin.before && ways(to_ranks_, kin.first).only_ones) {
        const auto before = builder.taken(Rank{static_cast<std::int64_t>(*kin.before)});
        for (std::size_t to = 0; to < ranks_; ++to) row[to] = before[kinds_.moved_back(kin, to)];
      } else {
        for (std::size_t to = 0; to < ranks_; ++to) {
          const Rank receiver{static_cast<std::int64_t>(to)};
          row[to] = builder.kind_of(sender, receiver, between(from, receiver));
        }
      }
      builder.take(sender, row);
    }
    return std::move(builder).all();
  }

  const Ways& ways(std::vector<LazyWays>& all, std::size_t from) const {
    if (!all[from].known.load(std::memory_order_acquire)) find(all, from);
    return all[from].ways;
  }

  void find(std::vector<LazyWays>& all, std::size_t from) const {
    const std::lock_guard lock(looking_);
    if (all[from].known) return;
    const auto first = kinds_.of(from).first;
    if (!all[first].known) keep(all, first, looked_for(all, first));
    std::vector<std::size_t> wanted{from};
    if (all[first].ways.only_ones) {
      while (!all[wanted.back()].known) wanted.push_back(*kinds_.of(wanted.back()).before);
      for (wanted.pop_back(); !wanted.empty(); wanted.pop_back()) keep(all, wanted.back(), image_of(all, wanted.back()));
    } else if (!all[from].known) {
      keep(all, from, looked_for(all, from));
    }
  }

  static void keep(std::vector<LazyWays>& all, std::size_t from, Ways ways) {
    all[from].ways = std::move(ways);
    all[from].known.store(true, std::memory_order_release);
  }

  Ways looked_for(const std::vector<LazyWays>& all, std::size_t from) const {
    const bool to_hosts = &all == &to_hosts_;
    const std::span<const NodeId> ends{ends_};
    Ways found;
    paths_.start(ends_[from]);
    for (const auto to : to_hosts ? ends.subspan(ranks_) : ends.first(ranks_)) {
      found.add(paths_.path_to(to));
      found.only_ones = found.only_ones && paths_.only_one();
    }
    found.links.shrink_to_fit();
    return found;
  }

  Ways image_of(const std::vector<LazyWays>& all, std::size_t from) const {
    const auto& kin = kinds_.of(from);
    const auto& before = all[*kin.before].ways;
    const bool to_hosts = &all == &to_hosts_;
    const auto first = to_hosts ? ranks_ : 0;
    const auto last = to_hosts ? ends_.size() : ranks_;
    Ways image;
    image.links.reserve(before.links.size());
    image.ends.reserve(before.ends.size());
    for (auto to = first; to < last; ++to) {
      for (const auto link : before.to(kinds_.moved_back(kin, to) - first)) image.links.push_back(kinds_.moved(kin, link));
      image.ends.push_back(static_cast<std::uint32_t>(image.links.size()));
    }
    return image;
  }

  Topology topology_;
  ParallelLinks parallel_;
  std::size_t ranks_ = 0;
  mutable std::mutex looking_;
  mutable NearestPaths paths_;
  SenderKinds kinds_;
  std::vector<NodeId> ends_;
  std::vector<std::optional<NodeId>> hosts_;  // per rank
  std::vector<std::size_t> host_end_;         // per rank: index of its host among the ends
  mutable std::vector<LazyWays> to_ranks_;    // by sender
  mutable std::vector<LazyWays> to_hosts_;    // by rank
  mutable std::mutex grouping_;
  mutable std::optional<PairKinds> grouped_;
  mutable std::atomic<const PairKinds*> known_kinds_ = nullptr;  // once they are
};

Routes::Routes(const Topology& topology) : table_(std::make_unique<const Table>(topology)) {}
Routes::~Routes() = default;

std::span<const LinkId> Routes::between(Rank from, Rank to) const { return table_->between(from.index(), to); }
std::span<const LinkId> Routes::to_host(Rank from, Rank owner) const { return table_->to_host(from, owner); }
std::span<const LinkId> Routes::from_host(Rank owner, Rank to) const { return table_->from_host(owner, to); }
bool Routes::connected(Rank from, Rank to) const { return table_->connected(from, to); }
const PairKinds& Routes::kinds() const { return table_->kinds(); }
std::optional<NodeId> Routes::host_of(Rank rank) const { return table_->host_of(rank); }

Bandwidth Routes::bottleneck(std::span<const LinkId> path) const {
  Bandwidth least;
  for (const auto id : path) {
    const auto width = table_->parallel().together(id);
    least = least == Bandwidth{} ? width : std::min(least, width);
  }
  return least;
}

const Routes& Topology::routes() const& {
  return on_demand().routes.value([&] { return std::shared_ptr<const Routes>(new Routes(unowned())); });
}

}  // namespace p2plab
