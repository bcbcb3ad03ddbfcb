// SPDX-License-Identifier: Apache-2.0
#include "ring/search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "common/resources.h"
#include "p2plab/machine/routes.h"
#include "ring/mesh_cycles.h"
#include "ring/packing.h"
#include "ring/servers.h"

namespace p2plab {

namespace {

// NVLink, xGMI and other links made for GPUs, as against PCIe, sockets and networks.
bool made_for_gpus(LinkKind kind) { return kind == LinkKind::nvlink || kind == LinkKind::other; }

class RingFinder {
 public:
  RingFinder(const Topology& topology, std::span<const Rank> members)
      : topology_(topology),
        routes_(topology.routes()),
        members_(members.begin(), members.end()),
        resources_(topology),
        n_(static_cast<int>(members.size())) {}

  Result<std::vector<Ring>> find(const RingOptions& options) {
    const bool gpu_links_only = options.fabric == RingFabric::nvlink || (options.fabric == RingFabric::automatic && joined_by_gpu_links());
    CostMatrix distances(n_);
    for (int a = 0; a < n_; ++a) {
      for (int b = 0; b < n_; ++b) {
        const auto path = routes_.between(rank(a), rank(b));
        if (a != b && usable(path, gpu_links_only)) distances.at(a, b) = distance(path);
      }
    }
    const auto first = cheapest_cycle(distances);
    if (!first) return no_ring(distances, gpu_links_only);
    const int most = options.most > 0 ? options.most : (gpu_links_only || crosses_network(*first) ? static_cast<int>(most_unasked) : 1);
    if (most == 1) return std::vector<Ring>{ring_of(*first, rate_alone(*first))};
    return pack_rings(distances, *first, static_cast<std::size_t>(most));
  }

 private:
  Rank rank(int i) const { return members_[static_cast<std::size_t>(i)]; }

  bool usable(int a, int b, bool gpu_links_only) const { return usable(routes_.between(rank(a), rank(b)), gpu_links_only); }
  bool usable(std::span<const LinkId> path, bool gpu_links_only) const {
    return !path.empty() && (!gpu_links_only || std::ranges::all_of(path, [&](LinkId id) { return made_for_gpus(topology_.link(id).kind); }));
  }

  // Can each member reach each other one over GPU links, through further members?
  bool joined_by_gpu_links() const {
    for (const bool forward : {true, false}) {
      std::vector<bool> seen(members_.size());
      std::vector<int> queue{0};
      seen[0] = true;
      for (std::size_t i = 0; i < queue.size(); ++i) {
        for (int b = 0; b < n_; ++b) {
          if (seen[static_cast<std::size_t>(b)] || !(forward ? usable(queue[i], b, true) : usable(b, queue[i], true))) continue;
          seen[static_cast<std::size_t>(b)] = true;
          queue.push_back(b);
        }
      }
      if (static_cast<int>(queue.size()) < n_) return false;
    }
    return true;
  }

  bool crosses_network(const std::vector<int>& cycle) const {
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      for (const auto id : routes_.between(rank(cycle[i]), rank(cycle[(i + 1) % cycle.size()]))) {
        if (topology_.link(id).kind == LinkKind::network) return true;
      }
    }
    return false;
  }

  // Narrow links, and many of them, are far: in units of ns for a kilobyte, with the latency in ns behind the comma.
  double distance(std::span<const LinkId> path) const {
    double sum = 0;
    for (const auto id : path) {
      const auto& link = topology_.link(id);
      sum += 1e12 / static_cast<double>(link.bandwidth.bytes_per_second()) + link.latency.count() * 1e6;
    }
    return sum;
  }

  double rate_alone(const std::vector<int>& cycle) const {
    std::vector<double> uses(resources_.capacities().size());
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      for (const auto r : resources_.of(rank(cycle[i]), rank(cycle[(i + 1) % cycle.size()]))) uses[r] += 1;
    }
    double rate = std::numeric_limits<double>::infinity();
    for (std::size_t r = 0; r < uses.size(); ++r) rate = uses[r] > 0 ? std::min(rate, resources_.capacities()[r] / uses[r]) : rate;
    return rate;
  }

  Ring ring_of(const std::vector<int>& cycle, double rate) const {
    Ring ring{.order = {}, .weight = 1, .rate = rate};
    for (const auto i : cycle) ring.order.push_back(rank(i));
    return ring;
  }

  // Servers on rails: in every server, ring r enters at one GPU and leaves at the next, each ring elsewhere, so that each NIC carries one crossing.
  // Only offered, for the packing to choose from; worthless offers cost nothing.
  std::vector<std::vector<int>> rail_cycles(const CostMatrix& distances, const std::vector<std::vector<int>>& servers) const {
    const auto size = servers[0].size();
    if (servers.size() < 2 || size < 2 || std::ranges::any_of(servers, [&](const auto& server) { return server.size() != size; })) return {};
    std::vector<std::vector<int>> cycles;
    for (std::size_t r = 0; r < size; ++r) {
      std::vector<int> cycle;
      std::size_t enter = (r + 1) % size;
      for (std::size_t b = 0; b < servers.size(); ++b) {
        // The last of an odd number of servers would leave where it entered; its neighbour goes round by a third rail, where there is one.
        const bool third = servers.size() % 2 == 1 && b + 2 == servers.size() && size > 2;
        const auto leave = b + 1 == servers.size() ? (r + 1) % size : (third ? (r + 2) % size : (r + b % 2) % size);
        append_server(cycle, servers[b], enter, leave);
        enter = leave;
      }
      cycles.push_back(std::move(cycle));
    }
    std::erase_if(cycles, [&](const auto& cycle) {
      return static_cast<int>(cycle.size()) != n_ || !(cycle_cost(distances, cycle) < std::numeric_limits<double>::infinity());
    });
    for (auto& cycle : cycles) std::rotate(cycle.begin(), std::ranges::find(cycle, 0), cycle.end());
    return cycles;
  }

  // Has every member a link to each other one?
  bool joined_directly() const {
    for (int a = 0; a < n_; ++a) {
      for (int b = 0; b < n_; ++b) {
        if (a != b && routes_.between(rank(a), rank(b)).size() != 1) return false;
      }
    }
    return true;
  }

  static void append_server(std::vector<int>& cycle, const std::vector<int>& server, std::size_t enter, std::size_t leave) {
    cycle.push_back(server[enter]);
    for (std::size_t i = 1; i < server.size(); ++i) {
      const auto k = (enter + i) % server.size();
      if (k != leave) cycle.push_back(server[k]);
    }
    if (leave != enter) cycle.push_back(server[leave]);
  }

  std::vector<Ring> pack_rings(const CostMatrix& distances, const std::vector<int>& first, std::size_t most) const {
    const auto hop = [this](int a, int b) { return resources_.of(rank(a), rank(b)); };
    RingProblem problem{.distances = distances, .hop = hop, .capacities = resources_.capacities()};
    if (n_ > exact_points) {
      const bool mesh = joined_directly();
      const auto servers = servers_of(topology_, members_);
      problem.offers = mesh ? mesh_cycles(n_, most) : rail_cycles(distances, servers);
      // Every ring leaves every server.
      const auto rates = rates_out_of(topology_, members_, servers);
      if (!rates.empty()) problem.enough = *std::ranges::min_element(rates);
      problem.guess = mesh || problem.offers.empty();
      auto back = first;
      std::ranges::reverse(back);
      if (cycle_cost(distances, back) < std::numeric_limits<double>::infinity()) problem.offers.push_back(std::move(back));
    }
    const auto packed = pack_cycles(problem, first, most);
    std::vector<double> amounts;
    for (const auto& [cycle, amount] : packed) amounts.push_back(amount);
    const auto weights = integer_weights(amounts);
    std::vector<Ring> rings;
    for (std::size_t i = 0; i < packed.size(); ++i) {
      rings.push_back(ring_of(packed[i].cycle, amounts[i]));
      rings.back().weight = weights[i];
    }
    return rings;
  }

  Error no_ring(const CostMatrix& distances, bool gpu_links_only) const {
    const auto hops = gpu_links_only ? "GPU links (NVLink)" : "the machine's links";
    Error error{ErrorCode::unsupported, fmt::format("no ring of {} passes through all {} ranks", hops, n_)};
    if (n_ > exact_points) error.message = fmt::format("no ring of {} through all {} ranks was found", hops, n_);
    for (int a = 0; a < n_ && n_ > 2; ++a) {
      int out = 0;
      int in = 0;
      for (int b = 0; b < n_; ++b) {
        out += distances.allowed(a, b) ? 1 : 0;
        in += distances.allowed(b, a) ? 1 : 0;
      }
      if (std::min(out, in) > 1) continue;
      error.notes.push_back(fmt::format("rank {} ({}) has {} such neighbour{}; a ring enters by one and leaves by another", rank(a).value,
                                        topology_.node(topology_.node_of(rank(a))).name, std::min(out, in), std::min(out, in) == 1 ? "" : "s"));
    }
    if (error.notes.empty()) error.notes.emplace_back("every order of the ranks leaves a pair of neighbours that is not joined");
    const bool more = std::ranges::any_of(topology_.links(), [](const Link& link) { return link.kind != LinkKind::nvlink; });
    if (gpu_links_only && more) error.notes.emplace_back("fabric=any lets the ring use this machine's other links as well");
    error.notes.emplace_back("tree needs no ring");
    return error;
  }

  const Topology& topology_;
  const Routes& routes_;
  std::vector<Rank> members_;
  Resources resources_;
  int n_;
};

}  // namespace

std::vector<std::int64_t> integer_weights(std::span<const double> amounts) {
  const double total = std::accumulate(amounts.begin(), amounts.end(), 0.0);
  std::vector<std::int64_t> weights;
  const auto scaled = [&](double denominator) {
    weights.clear();
    bool exact = true;
    for (const auto amount : amounts) {
      const double wanted = amount / total * denominator;
      weights.push_back(std::max<std::int64_t>(1, std::llround(wanted)));
      exact = exact && std::abs(wanted - static_cast<double>(weights.back())) < 1e-6;
    }
    return exact;
  };
  for (int denominator = 1; denominator <= 720; ++denominator) {
    if (scaled(denominator)) return weights;
  }
  scaled(1000);
  return weights;
}

namespace {

// Is each way inside a server, and each between two, as wide as all others, and does each server have as many links out as all others?
bool ways_are_alike(const Topology& topology, std::span<const Rank> members, const std::vector<std::vector<int>>& servers) {
  const auto& routes = topology.routes();
  std::array<std::set<std::int64_t>, 2> widths;  // inside, between
  routes.kinds().each(1, [&](Rank from, Rank to) {
    if (from == to) return 0;
    bool crosses = false;
    auto narrowest = std::numeric_limits<std::int64_t>::max();
    for (const auto id : routes.between(from, to)) {
      crosses = crosses || topology.link(id).kind == LinkKind::network;
      narrowest = std::min<std::int64_t>(narrowest, topology.link(id).bandwidth.bytes_per_second());
    }
    widths[crosses ? 1 : 0].insert(narrowest);
    return 0;
  });
  if (widths[0].size() != 1 || widths[1].size() != 1) return false;
  const auto links = links_out_of(topology, members, servers);
  const auto rates = rates_out_of(topology, members, servers);
  return !links.empty() && std::ranges::all_of(links, [&](const auto& out) { return out.size() == links.front().size(); }) &&
         std::ranges::all_of(rates, [&](double rate) { return rate == rates.front(); });
}

}  // namespace

std::size_t most_rings_between(const Topology& topology, std::span<const Rank> members) {
  constexpr auto any = std::numeric_limits<std::size_t>::max();
  const auto& routes = topology.routes();
  const auto joined = routes.kinds().each(1, [&](Rank from, Rank to) { return from == to || !routes.between(from, to).empty() ? 1 : 0; });
  const auto servers = servers_of(topology, members);
  const auto size = servers.empty() ? 0 : servers.front().size();
  const bool even = std::ranges::all_of(servers, [&](const auto& server) { return server.size() == size; });
  // Where each member reaches each other one, rings along rails are offered, and no others are guessed; where ways differ, prices of links find more.
  const bool offered = members.size() > exact_points && servers.size() > 1 && size > 1 && even && std::ranges::find(joined, 0) == joined.end();
  return offered && ways_are_alike(topology, members, servers) ? size + 2 : any;
}

Result<std::vector<Ring>> find_rings(const Topology& topology, std::span<const Rank> members, const RingOptions& options) {
  if (members.size() < 2) return std::vector<Ring>{};
  return RingFinder{topology, members}.find(options);
}

}  // namespace p2plab
