// SPDX-License-Identifier: Apache-2.0
// NCCL's search for channels: the largest number of rings times speed, speeds tried from the fastest down.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "nccl/hidden_links.h"
#include "nccl/ring_finder.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/routes.h"
#include "p2plab/nccl/nccl_model.h"

namespace p2plab::nccl {

namespace {

constexpr int most_channels = 32;
constexpr double network_share = 0.96;  // NCCL counts 12 GB/s for a NIC of 100 Gb/s
// Through host memory a hop reaches this share of PCIe: 18 of 24 GB/s (NVIDIA/nccl issue 1603), 27 of 48 on four H200s without peer access.
constexpr double host_share = 0.7;
// Loads of host memory wait for answers, which take 0.82 us, and twice 75 ns longer where they cross to another socket.
constexpr double across_share = 0.845;
// Stores of several GPUs on root ports through one root complex: 2 GB/s of what one after the other reaches (NVIDIA/nccl issue 1603).
constexpr double posted_writes = 0.1;
// What queues at the inputs of a switch pass where every port sends to many (Karol, Hluchyj, Morgan 1987).
constexpr double queued_share = 0.586;
constexpr std::array older_speeds{40.0, 30.0, 20.0, 18.0, 15.0, 12.0, 10.0, 9.0, 7.0, 6.0, 5.0, 4.0, 3.0};
constexpr std::array hopper_speeds{60.0, 50.0, 40.0, 30.0, 24.0, 20.0, 15.0, 12.0, 11.0, 6.0, 3.0};
constexpr std::array blackwell_speeds{90.0, 80.0, 70.0, 60.0, 50.0, 45.0, 40.0, 30.0, 24.0, 20.0, 19.0, 18.0};

std::span<const double> speeds_of(Generation generation) {
  if (generation == Generation::hopper) return hopper_speeds;
  if (generation == Generation::blackwell) return blackwell_speeds;
  return older_speeds;
}

// What NCCL counts of an NVLink's raw bandwidth: 20 of 25 GB/s (18 of 20 on P100), 20.6 of 25, 40.1 of 50.
double nvlink_share(Generation generation, double raw_gbps) {
  if (generation == Generation::hopper) return 20.6 / 25;
  if (generation == Generation::blackwell) return 40.1 / 50;
  const bool pascal = generation == Generation::volta && std::fmod(raw_gbps, 25) != 0 && std::fmod(raw_gbps, 20) == 0;
  return pascal ? 0.9 : 0.8;
}

double nvlink_gbps(const Topology& topology, NodeId gpu) {
  double sum = 0;
  for (const auto id : topology.out_links(gpu)) sum += topology.link(id).kind == LinkKind::nvlink ? topology.link(id).bandwidth.gbps() : 0;
  return sum;
}

Generation generation_of(const Topology& topology, double nvlink) {
  if (const auto kind = gpu_kind(topology); kind && kind->compute_capability > 0) {
    const auto capability = kind->compute_capability;
    return capability < 80 ? Generation::volta : capability < 90 ? Generation::ampere : capability < 100 ? Generation::hopper : Generation::blackwell;
  }
  if (nvlink >= 800) return Generation::blackwell;
  if (nvlink >= 400) return Generation::hopper;
  return nvlink >= 240 || nvlink == 0 ? Generation::ampere : Generation::volta;
}

// GPUs that reach each other without a network, directly or over other GPUs, by lowest rank.
std::vector<std::vector<Rank>> boxes_of(const Topology& topology) {
  const auto& routes = topology.routes();
  const auto near = [&](Rank a, Rank b) {
    const auto path = routes.between(a, b);
    return !path.empty() && std::ranges::none_of(path, [&](LinkId id) { return topology.link(id).kind == LinkKind::network; });
  };
  std::vector<std::vector<Rank>> servers;
  std::vector<bool> housed(static_cast<std::size_t>(topology.ranks()), false);
  for (int r = 0; r < topology.ranks(); ++r) {
    if (housed[static_cast<std::size_t>(r)]) continue;
    std::vector<Rank> server{Rank{r}};
    housed[static_cast<std::size_t>(r)] = true;
    for (std::size_t at = 0; at < server.size(); ++at) {
      for (int other = 0; other < topology.ranks(); ++other) {
        if (housed[static_cast<std::size_t>(other)] || !near(server[at], Rank{other})) continue;
        housed[static_cast<std::size_t>(other)] = true;
        server.emplace_back(other);
      }
    }
    std::ranges::sort(server);
    servers.push_back(std::move(server));
  }
  return servers;
}

// All of one machine's patterns.
class Search {
 public:
  Search(const Topology& topology, const SearchOptions& options)
      : topology_(topology), routes_(topology.routes()), boxes_(boxes_of(topology)), options_(options) {
    const auto gpu = topology.node_of(Rank{0});
    nvlink_ = nvlink_gbps(topology, gpu);
    generation_ = options.generation.value_or(generation_of(topology, nvlink_));
    for (const auto id : topology.out_links(gpu)) {
      if (topology.link(id).kind == LinkKind::nvlink) share_ = nvlink_share(generation_, topology.link(id).bandwidth.gbps());
      switched_ = switched_ || topology.node(topology.link(id).to).kind == NodeKind::nvswitch;
    }
    multicast_ = options.multicast && switched_ && generation_ >= Generation::hopper;
  }

  Result<Communicator> run() {
    if (topology_.ranks() < 2) return Error{ErrorCode::unsupported, "NCCL's model needs two GPUs or more"};
    Communicator c{.ranks = topology_.ranks(), .nodes = static_cast<int>(boxes_.size()), .generation = generation_, .amd_cpu = options_.amd_cpu};
    const bool even = std::ranges::all_of(boxes_, [&](const auto& server) { return server.size() == boxes_.front().size(); });
    if (!even) return Error{ErrorCode::unsupported, "NCCL's model needs servers of equally many GPUs"};
    c.ring = best_rings(false);
    if (c.ring.channels == 0) return Error{ErrorCode::unsupported, "NCCL's search finds no ring through all GPUs of this machine"};
    // What goes through host memory is no peer access, so NCCL's counts of links between sockets do not hold for it.
    if (by_host(c.ring)) c.ring = best_rings(true);
    choose_transport(c.ring);
    join_servers(c.ring);
    duplicate(c.ring);
    c.tree = c.ring;
    c.ll128 = c.ring.nvlink;
    if (multicast_ && boxes_.front().size() > 2) c.nvls = multicast();
    return c;
  }

 private:
  // Rings inside the first server, over NVLink if that joins it, else over whatever there is.
  Graph best_rings(bool wide_sockets) const {
    Graph best;
    const auto& server = boxes_.front();
    if (server.size() == 1) return {.channels = 1, .bw_intra = speeds_of(generation_).front(), .nvlink = true, .orders = {{server.front()}}};
    for (const bool nvlink : {true, false}) {
      for (const auto speed : speeds_of(generation_)) {
        const auto allowed = std::min(most_channels, across(speed));
        const RingSearch search{.speed = speed, .share = share_, .nvlink_only = nvlink, .wide_sockets = wide_sockets, .most = allowed};
        RingFinder finder(topology_, server, search);
        if (finder.most() * speed <= best.channels * best.bw_intra) continue;
        auto orders = finder.run();
        const auto channels = static_cast<int>(orders.size());
        if (channels * speed > best.channels * best.bw_intra)
          best = {.channels = channels, .bw_intra = speed, .nvlink = nvlink, .orders = std::move(orders)};
      }
      if (best.channels > 0) break;
    }
    best.bw_inter = best.bw_intra;
    return best;
  }

  // Does peer access end at a host on the way of a hop? Then it goes through the memory there.
  bool ends_at_host(Rank from, Rank to) const {
    return std::ranges::any_of(routes_.between(from, to), [&](LinkId id) {
      const auto& node = topology_.node(topology_.link(id).to);
      return node.kind == NodeKind::host && !(options_.peers_over_hosts && node.forwards_peers);
    });
  }

  template <class Hop>
  static bool some_hop(const Graph& graph, Hop&& is) {
    return std::ranges::any_of(graph.orders, [&](const auto& order) {
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (is(order[i], order[(i + 1) % order.size()])) return true;
      }
      return false;
    });
  }
  bool by_host(const Graph& graph) const {
    return some_hop(graph, [&](Rank from, Rank to) { return ends_at_host(from, to); });
  }
  bool across_sockets(const Graph& graph) const {
    return some_hop(graph, [&](Rank from, Rank to) {
      return std::ranges::any_of(routes_.between(from, to), [&](LinkId id) { return topology_.link(id).kind == LinkKind::upi; });
    });
  }

  void choose_transport(Graph& graph) const {
    graph.share = graph.nvlink ? share_ : 1;
    graph.by_host = by_host(graph);
    graph.exchange = graph.by_host ? (staged_rates() ? 1 : host_share) : exchange_share();
    if (!graph.by_host) return;
    const auto share = staged_rates() ? 1 : host_share * (across_sockets(graph) ? across_share : 1);
    graph.bw_intra = std::min(graph.bw_intra, share * narrowest_pcie(graph) / graph.channels);
    graph.bw_inter = std::min(graph.bw_inter, graph.bw_intra);
  }

  // Are the rates of PCIe those that data through host memory gets (device_graph.cpp)?
  bool staged_rates() const {
    return std::ranges::any_of(topology_.sources().values,
                               [](const SourcedValue& value) { return value.what.starts_with("data through host memory") && !value.links.empty(); });
  }

  // Of the port of rank 0, where all send to all: on a root port stores of several collapse, behind a switch its queues keep a share.
  double exchange_share() const {
    if (topology_.ranks() < 3) return 1;
    const auto way = routes_.between(Rank{0}, Rank{topology_.ranks() - 1});
    if (way.empty() || topology_.link(way.front()).kind != LinkKind::pcie) return 1;
    const auto& port = topology_.node(topology_.link(way.front()).to);
    if (port.kind == NodeKind::host) return posted_writes;
    return port.switching.exchange < 1 ? port.switching.exchange : queued_share;
  }

  // GB/s of the narrowest PCIe link on the way of its rings.
  double narrowest_pcie(const Graph& graph) const {
    double least = 1e9;
    for (const auto& order : graph.orders) {
      for (std::size_t i = 0; i < order.size(); ++i) {
        for (const auto id : routes_.between(order[i], order[(i + 1) % order.size()])) {
          if (topology_.link(id).kind == LinkKind::pcie)
            least = std::min(least, staged_rates() ? topology_.link(id).bandwidth.gbps() : counted_gbps(topology_.link(id), 1));
        }
      }
    }
    return least;
  }

  // How many channels of this speed the NICs of the first server carry.
  int across(double speed) const {
    if (boxes_.size() == 1) return most_channels;
    int channels = 0;
    for (const auto& link : topology_.links()) {
      const auto& from = topology_.node(link.from);
      if (link.kind != LinkKind::network || from.kind == NodeKind::network_switch) continue;
      channels += static_cast<int>(link.bandwidth.gbps() * network_share / speed + 1e-9);
    }
    return channels / static_cast<int>(boxes_.size());
  }

  // Channel c enters every server at its own GPU: the server's order turned by c.
  void join_servers(Graph& graph) const {
    if (boxes_.size() == 1) return;
    for (std::size_t c = 0; c < graph.orders.size(); ++c) {
      auto inside = graph.orders[c];
      std::rotate(inside.begin(), inside.begin() + static_cast<std::ptrdiff_t>(c % inside.size()), inside.end());
      std::vector<Rank> order;
      for (const auto& server : boxes_) {
        for (const auto rank : inside) {
          const auto place = std::ranges::find(boxes_.front(), rank) - boxes_.front().begin();
          order.push_back(server[static_cast<std::size_t>(place)]);
        }
      }
      graph.orders[c] = std::move(order);
    }
  }

  void duplicate(Graph& graph) const {
    const bool newer = generation_ >= Generation::hopper;
    if (graph.bw_intra < 25 || (newer && graph.bw_intra < 50 && graph.channels > 4) || graph.channels * 2 > most_channels) return;
    graph.channels *= 2;
    graph.bw_intra /= 2;
    graph.bw_inter /= 2;
  }

  // A channel for each GPU as its head, 32 at most (NCCL_MAX_NVLS_ARITY): it takes its speed once on every GPU's links and twice on the head's.
  Graph multicast() const {
    constexpr int most_heads = 32;
    const auto gpus = std::min(most_heads, static_cast<int>(boxes_.front().size()));
    const auto room = nvlink_ * share_;
    Graph graph{.channels = gpus};
    for (const auto speed : speeds_of(generation_)) {
      if ((gpus + 1) * speed > room + 1e-9) continue;
      graph.bw_intra = speed;
      break;
    }
    if (graph.bw_intra == 0) return {};
    graph.bw_inter = graph.bw_intra;
    const auto speeds = speeds_of(generation_);
    const auto at = std::ranges::find(speeds, graph.bw_intra);
    const auto faster = generation_ == Generation::hopper ? speeds.front() : (at == speeds.begin() ? *at : *(at - 1));
    graph.bw_inter = std::max(graph.bw_intra, faster);
    return graph;
  }

  const Topology& topology_;
  const Routes& routes_;
  std::vector<std::vector<Rank>> boxes_;
  double nvlink_ = 0;  // raw, of one GPU
  double share_ = 1;
  bool switched_ = false;
  bool multicast_ = false;
  SearchOptions options_;
  Generation generation_ = Generation::ampere;
};

}  // namespace

std::vector<std::vector<Rank>> find_rings(const Topology& topology, const RingSearch& search) {
  std::vector<Rank> members;
  for (int r = 0; r < topology.ranks(); ++r) members.emplace_back(r);
  return RingFinder(topology, std::move(members), search).run();
}

Result<Communicator> search(const Topology& topology, const SearchOptions& options) {
  const auto hidden = hidden_from_nccl(topology);
  if (hidden.links.empty()) return Search(topology, options).run();
  const auto seen = apply_mask(topology, hidden);
  if (!seen) return seen.error();
  return Search(*seen, options).run();
}

}  // namespace p2plab::nccl
