// SPDX-License-Identifier: Apache-2.0
#include "bounds/placing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/detail/symmetry.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

constexpr std::size_t most_permuted = 8;

double subsets(int n, int k) {
  double count = 1;
  for (int i = 1; i <= k; ++i) count *= static_cast<double>(n - k + i) / i;
  return std::round(count);
}

// The order in which the narrowest step of the ring through all is widest, then their sum is largest.
class RingOrder {
 public:
  explicit RingOrder(const Topology& topology) : n_(static_cast<std::size_t>(topology.ranks())), widths_(n_ * n_) {
    const auto& routes = topology.routes();
    for (std::size_t a = 0; a < n_; ++a) {
      for (std::size_t b = 0; b < n_; ++b) {
        const Rank from{static_cast<std::int64_t>(a)};
        const Rank to{static_cast<std::int64_t>(b)};
        widths_[a * n_ + b] = std::min(routes.bottleneck(routes.between(from, to)), routes.bottleneck(routes.between(to, from))).bytes_per_second();
      }
    }
  }

  std::vector<std::size_t> best() const {
    std::vector<std::size_t> order(n_);
    std::iota(order.begin(), order.end(), 0);
    if (n_ > most_permuted) return nearest_first();
    auto best = order;
    while (std::next_permutation(order.begin() + 1, order.end())) {
      if (value(order) > value(best)) best = order;
    }
    return best;
  }

 private:
  std::int64_t width(std::size_t a, std::size_t b) const { return widths_[a * n_ + b]; }

  std::pair<std::int64_t, std::int64_t> value(const std::vector<std::size_t>& order) const {
    std::pair<std::int64_t, std::int64_t> value{std::numeric_limits<std::int64_t>::max(), 0};
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto step = width(order[i], order[(i + 1) % order.size()]);
      value = {std::min(value.first, step), value.second + step};
    }
    return value;
  }

  // Always on to the widest GPU left: for many GPUs, where all orders cannot be tried.
  std::vector<std::size_t> nearest_first() const {
    std::vector<std::size_t> order{0};
    std::vector<bool> used(n_);
    used[0] = true;
    while (order.size() < n_) {
      std::size_t next = n_;
      for (std::size_t b = 0; b < n_; ++b) {
        if (!used[b] && (next == n_ || width(order.back(), b) > width(order.back(), next))) next = b;
      }
      used[next] = true;
      order.push_back(next);
    }
    return order;
  }

  std::size_t n_;
  std::vector<std::int64_t> widths_;
};

// Mean delay and links of the ways between GPUs of a machine, and the pairs that have none.
void measure_ways(const Topology& part, Placement& placement) {
  const auto& routes = part.routes();
  const auto n = static_cast<std::int64_t>(part.ranks());
  for (std::int64_t a = 0; a < n; ++a) {
    for (std::int64_t b = 0; b < n; ++b) {
      const auto path = routes.between(Rank{a}, Rank{b});
      if (a != b && path.empty()) ++placement.relayed;
      for (const auto link : path) placement.latency += part.link(link).latency;
      placement.hops += static_cast<double>(path.size());
    }
  }
  const auto pairs = static_cast<double>(std::max<std::int64_t>(n * (n - 1) - placement.relayed, 1));
  placement.latency = placement.latency * (1 / pairs);
  placement.hops /= pairs;
}

}  // namespace

namespace placing {

std::vector<Subset> all_subsets(int n, int k) {
  std::vector<Subset> all;
  Subset at(static_cast<std::size_t>(k));
  std::iota(at.begin(), at.end(), 0);
  while (true) {
    all.push_back(at);
    int i = k - 1;
    while (i >= 0 && at[static_cast<std::size_t>(i)] == n - k + i) --i;
    if (i < 0) return all;
    ++at[static_cast<std::size_t>(i)];
    for (auto j = static_cast<std::size_t>(i) + 1; j < at.size(); ++j) at[j] = at[j - 1] + 1;
  }
}

// The subsets of each orbit, the first one first; subsets are sorted, so an image is found by search.
std::vector<std::vector<std::size_t>> orbits_of(const Topology& topology, const std::vector<Subset>& all) {
  const auto generators = automorphism_generators(topology);
  std::vector<bool> seen(all.size());
  std::vector<std::vector<std::size_t>> orbits;
  for (std::size_t start = 0; start < all.size(); ++start) {
    if (seen[start]) continue;
    seen[start] = true;
    std::vector<std::size_t> orbit{start};
    for (std::size_t i = 0; i < orbit.size(); ++i) {
      for (const auto& generator : generators) {
        Subset image;
        for (const auto rank : all[orbit[i]]) image.push_back(topology.rank_of(NodeId{generator.nodes[topology.node_of(Rank{rank}).index()]})->value);
        std::ranges::sort(image);
        const auto place = static_cast<std::size_t>(std::ranges::lower_bound(all, image) - all.begin());
        if (seen[place]) continue;
        seen[place] = true;
        orbit.push_back(place);
      }
    }
    orbits.push_back(std::move(orbit));
  }
  return orbits;
}

Status check(int n, int count, CollectiveKind kind) {
  if (count < 1 || count > n) {
    return Error{ErrorCode::invalid_input,
                 fmt::format("cannot take {} GPUs of a machine that has {}", count, n),
                 std::nullopt,
                 {fmt::format("ask for 1 to {}", n)}};
  }
  if (rooted(kind) || kind == CollectiveKind::send_receive) {
    return Error{ErrorCode::invalid_input,
                 fmt::format("the best GPUs for {} depend on who plays which part", to_string(kind)),
                 std::nullopt,
                 {"ask for all_reduce, all_gather, reduce_scatter or all_to_all"}};
  }
  return {};
}

Status few_enough(int n, int count) {
  if (can_place(n, count)) return {};
  return Error{ErrorCode::unsupported,
               fmt::format("{} GPUs of {} can be chosen in {:.3g} ways, more than {:.0f}", count, n, subsets(n, count), most_subsets),
               std::nullopt,
               {"ask on a smaller machine: one server, or one half of it"}};
}

Result<Placement> judge(const Topology& topology, const Subset& subset, CollectiveKind kind, const std::vector<Degree>& own) {
  Placement placement;
  std::vector<Rank> ranks;
  for (const auto rank : subset) {
    ranks.emplace_back(rank);
    placement.own_links += own[static_cast<std::size_t>(rank)].out;
  }
  const auto joined = among_members(topology, ranks);
  if (!joined) return joined.error();
  const auto kept = keep_gpus(*joined, ranks);
  if (!kept) return kept.error();
  auto part = peer_links(*kept);
  if (!part) return std::move(part).error();
  for (const auto i : RingOrder{*part}.best()) placement.gpus.push_back(ranks[i]);
  measure_ways(*part, placement);
  const auto count = static_cast<int>(subset.size());
  const auto best = bound(*part, make_collective(kind, count));
  if (best) placement.busbw_gbps = best->algbw_gbps() * bus_factor(kind, count);
  if (!best && best.error().code != ErrorCode::unsupported) return best.error();  // unreachable GPUs are an answer, anything else is not
  return placement;
}

}  // namespace placing

bool can_place(int n, int count) { return subsets(n, count) <= placing::most_subsets; }
bool has_few_sets(int n, int count, std::int64_t most) { return subsets(n, count) <= static_cast<double>(most); }

bool taken_before(const Placement& a, const Placement& b) {
  constexpr double same = 1 + 1e-9;
  if (a.busbw_gbps > b.busbw_gbps * same || b.busbw_gbps > a.busbw_gbps * same) return a.busbw_gbps > b.busbw_gbps;
  if (a.own_links != b.own_links) return a.own_links > b.own_links;
  if (a.relayed != b.relayed) return a.relayed < b.relayed;
  const auto picoseconds = [](const Placement& one) { return to_sim_time(one.latency).count(); };
  return std::tuple{picoseconds(a), a.hops} < std::tuple{picoseconds(b), b.hops};
}

Result<std::vector<Placement>> place(const Topology& topology, int count, CollectiveKind kind, const Weighed& weighed) {
  using namespace placing;
  if (auto ok = check(topology.ranks(), count, kind); !ok) return std::move(ok).error();
  if (auto ok = few_enough(topology.ranks(), count); !ok) return std::move(ok).error();
  const auto all = all_subsets(topology.ranks(), count);
  const auto own = degrees(topology);
  std::vector<Placement> placements;
  const auto orbits = orbits_of(topology, all);
  for (const auto& orbit : orbits) {
    auto placement = judge(topology, all[orbit.front()], kind, own);
    if (!placement) return std::move(placement).error();
    placement->alike = static_cast<std::int64_t>(orbit.size());
    placements.push_back(*std::move(placement));
    if (weighed && weighed(placements.back(), orbits.size() - placements.size())) break;
  }
  std::ranges::stable_sort(placements, taken_before);
  return placements;
}

}  // namespace p2plab
