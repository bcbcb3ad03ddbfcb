// SPDX-License-Identifier: Apache-2.0
// GPUs of several servers, where there are too many sets to weigh each: servers that are near each other with whole networks first, and of each the
// same number of GPUs, as far as that goes.
#include "p2plab/segments/place_servers.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "bounds/placing.h"
#include "p2plab/machine/routes.h"
#include "p2plab/segments/servers.h"

namespace p2plab {

namespace {

using namespace placing;

constexpr std::size_t most_kinds = 6;  // of sets of so many servers

// How a server is joined to the network.
struct Standing {
  Bandwidth network;      // of its NICs' links
  std::vector<int> gpus;  // rising; those whose way out is widest first
};

class ServerSets {
 public:
  ServerSets(const Topology& topology, int count) : topology_(topology), routes_(topology.routes()), servers_(servers_of(topology)), count_(count) {
    for (const auto& ranks : servers_.ranks) standings_.push_back(standing(ranks));
  }

  bool several() const { return servers_.count() > 1; }

  // Sets with how many others are like them, those of fewer servers first.
  std::vector<std::pair<Subset, std::int64_t>> run() {
    int largest = 1;
    for (const auto& one : standings_) largest = std::max(largest, static_cast<int>(one.gpus.size()));
    const int least = (count_ + largest - 1) / largest;
    for (int servers = least; servers <= std::min(count_, servers_.count()); ++servers) {
      if (count_ % servers == 0 || servers == least) add_sets_of(servers);
    }
    return sets_;
  }

 private:
  // Of whatever its GPUs reach without a network, the links from there to one: also of NICs that no shortest way goes by.
  Bandwidth network_of(const std::vector<Rank>& ranks) const {
    Bandwidth all;
    std::set<NodeId> seen;
    std::vector<NodeId> open;
    for (const auto rank : ranks) open.push_back(topology_.node_of(rank));
    while (!open.empty()) {
      const auto node = open.back();
      open.pop_back();
      if (!seen.insert(node).second) continue;
      for (const auto id : topology_.out_links(node)) {
        const auto& link = topology_.link(id);
        if (link.kind == LinkKind::network)
          all += link.bandwidth;
        else
          open.push_back(link.to);
      }
    }
    return all;
  }

  Standing standing(const std::vector<Rank>& ranks) const {
    Standing found;
    std::set<NodeId> nics;
    for (const auto rank : ranks) {
      found.gpus.push_back(rank.value);
      const auto before = nics.size();
      for (const auto nic : nics_of(rank)) nics.insert(nic);
      own_nic_.emplace(rank.value, nics.size() > before);
    }
    found.network = network_of(ranks);
    // GPUs that bring a NIC of their own come first.
    std::ranges::stable_sort(found.gpus, [&](int a, int b) { return own_nic_.at(a) > own_nic_.at(b); });
    return found;
  }

  // Where its way to another server enters the network.
  std::vector<NodeId> nics_of(Rank rank) const {
    for (std::int64_t other = 0; other < topology_.ranks(); ++other) {
      if (servers_.together(rank, Rank{other})) continue;
      for (const auto link : routes_.between(rank, Rank{other})) {
        if (topology_.link(link).kind == LinkKind::network) return {topology_.link(link).from};
      }
    }
    return {};
  }

  struct Near {
    std::int64_t less_network;  // none is wider than the first
    std::size_t hops;
    std::int64_t less_way;
    std::size_t server;
    auto operator<=>(const Near&) const = default;
  };

  Near near(std::size_t from, std::size_t to) const {
    const auto path = routes_.between(servers_.ranks[from].front(), servers_.ranks[to].front());
    return {-standings_[to].network.bytes_per_second(), path.size(), path.empty() ? 0 : -routes_.bottleneck(path).bytes_per_second(), to};
  }

  void add_sets_of(int servers) {
    std::map<std::vector<std::tuple<std::int64_t, std::size_t, std::int64_t>>, std::size_t> kinds;  // the place of the first set of its kind
    std::set<Subset> seen;  // one of even shares stands there whichever server it begins with
    for (std::size_t first = 0; first < standings_.size(); ++first) {
      std::vector<Near> others;
      for (std::size_t s = 0; s < standings_.size(); ++s) {
        if (s != first) others.push_back(near(first, s));
      }
      std::ranges::sort(others);
      others.resize(static_cast<std::size_t>(servers - 1));
      std::vector<std::size_t> chosen{first};
      std::vector<std::tuple<std::int64_t, std::size_t, std::int64_t>> kind{{-standings_[first].network.bytes_per_second(), 0, 0}};
      for (const auto& other : others) {
        chosen.push_back(other.server);
        kind.emplace_back(other.less_network, other.hops, other.less_way);
      }
      const auto set = gpus_of(chosen);
      if (set && !seen.insert(*set).second) continue;
      const auto known = kinds.find(kind);
      if (known != kinds.end()) {
        ++sets_[known->second].second;
        continue;
      }
      if (kinds.size() == most_kinds || !set) continue;
      kinds.emplace(std::move(kind), sets_.size());
      sets_.emplace_back(*set, 1);
    }
  }

  // The same number of each server, or as many as there are, one after another.
  std::optional<Subset> gpus_of(const std::vector<std::size_t>& chosen) const {
    Subset set;
    int left = count_;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto& gpus = standings_[chosen[i]].gpus;
      const bool even = count_ % static_cast<int>(chosen.size()) == 0;
      const int wanted = even ? count_ / static_cast<int>(chosen.size()) : std::min(left, static_cast<int>(gpus.size()));
      if (wanted > static_cast<int>(gpus.size())) return std::nullopt;
      set.insert(set.end(), gpus.begin(), gpus.begin() + wanted);
      left -= wanted;
    }
    std::ranges::sort(set);
    return left == 0 ? std::optional{set} : std::nullopt;
  }

  const Topology& topology_;
  const Routes& routes_;
  Servers servers_;
  int count_;
  mutable std::map<int, bool> own_nic_;  // by rank: does it bring a NIC that no GPU before it uses?
  std::vector<Standing> standings_;      // by server
  std::vector<std::pair<Subset, std::int64_t>> sets_;
};

}  // namespace

Result<std::vector<Placement>> place_on_servers(const Topology& topology, int count, CollectiveKind kind, const Weighed& weighed) {
  if (auto ok = check(topology.ranks(), count, kind); !ok) return std::move(ok).error();
  ServerSets sets(topology, count);
  if (!sets.several()) return Error{ErrorCode::unsupported, fmt::format("'{}' is one server", topology.name())};
  const auto own = degrees(topology);
  std::vector<Placement> placements;
  const auto all = sets.run();
  for (const auto& [subset, alike] : all) {
    auto placement = judge(topology, subset, kind, own);
    if (!placement) return std::move(placement).error();
    placement->alike = alike;
    placements.push_back(*std::move(placement));
    if (weighed && weighed(placements.back(), all.size() - placements.size())) break;
  }
  std::ranges::stable_sort(placements, taken_before);
  return placements;
}

}  // namespace p2plab
