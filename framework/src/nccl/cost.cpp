// SPDX-License-Identifier: Apache-2.0
// NCCL's cost formula. Latencies in us, bandwidths in GB/s (1e9 bytes per second).
#include <algorithm>
#include <cmath>

#include "p2plab/detail/named.h"
#include "p2plab/nccl/nccl_model.h"

namespace p2plab::nccl {

namespace {

constexpr std::array algorithm_names{Named{"tree", Algorithm::tree}, Named{"ring", Algorithm::ring}, Named{"nvls", Algorithm::nvls},
                                     Named{"nvls_tree", Algorithm::nvls_tree}, Named{"pat", Algorithm::pat}};
constexpr std::array proto_names{Named{"ll", Proto::ll}, Named{"ll128", Proto::ll128}, Named{"simple", Proto::simple}};

using ByProto = std::array<double, 3>;
using ByNodes = std::array<double, 3>;  // 1, 2, more nodes
constexpr std::size_t generations = 4;

constexpr std::array<ByProto, 5> base_latency{ByProto{6.8, 14, 8.4}, ByProto{6.6, 14, 8.4}, ByProto{0, 0, 0}, ByProto{0, 0, 0}, ByProto{8, 8, 8}};
constexpr std::array<ByProto, 5> nvlink_latency{ByProto{.6, 1.25, 4.0}, ByProto{.6, 1.9, 3.4}, ByProto{0, 0, 25}, ByProto{0, 0, 25},
                                                ByProto{0, 0, 4.0}};
constexpr std::array<ByProto, 5> pcie_latency{ByProto{1.0, 1.9, 4.0}, ByProto{1.0, 2.5, 5.7}, ByProto{0, 0, 0}, ByProto{0, 0, 0}, ByProto{0, 0, 4.0}};
constexpr std::array<ByProto, 5> net_latency{ByProto{5.0, 8.5, 14}, ByProto{2.7, 4.0, 14}, ByProto{0, 0, 18}, ByProto{0, 0, 20.9}, ByProto{0, 0, 14}};

constexpr std::array<double, generations> ll_one_node{39, 87.7, 141, 282};
constexpr std::array<ByNodes, 2> ll_more_nodes{ByNodes{39, 39, 20.4}, ByNodes{87.7, 22.5, 19}};  // Intel, AMD
constexpr std::array<ByNodes, generations> channel_ring_ll128{ByNodes{20, 20, 20}, ByNodes{20, 20, 20}, ByNodes{36.7, 36.7, 36.7},
                                                              ByNodes{40, 40, 40}};
constexpr std::array<ByNodes, generations> channel_tree_ll128{ByNodes{20, 20, 20}, ByNodes{20, 20, 20}, ByNodes{36.7, 36.7, 29},
                                                              ByNodes{55.6, 31.67, 20}};
constexpr std::array<ByNodes, generations> channel_tree{ByNodes{26.5, 18.5, 10}, ByNodes{24, 23.6, 17.8}, ByNodes{38.7, 41.4, 36},
                                                        ByNodes{70, 42.8, 24}};
constexpr std::array<ByNodes, generations> channel_nvls_tree{ByNodes{26.5, 18.5, 10}, ByNodes{24, 23.6, 17.8}, ByNodes{0, 57.7, 45.5},
                                                             ByNodes{0, 96, 80}};
constexpr std::array<double, generations> nvls_efficiency{0.85, 0.85, 0.85, 0.74};

// All-reduce by tree is slower than its bandwidth in the middle: factors for 64 B, 128 B, and so on.
constexpr std::array<std::array<double, 24>, 3> tree_correction{
    std::array<double, 24>{1, 1, 1, 1, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1, 1, 1, 1, 1},
    std::array<double, 24>{1, 1, 1, 1, 1, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1, 1, 1},
    std::array<double, 24>{.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9, .9}};

template <class E>
constexpr std::size_t index(E value) {
  return static_cast<std::size_t>(value);
}

// One line of the table after the other.
class Tuner {
 public:
  Tuner(const Communicator& communicator, CollectiveKind kind) : c_(communicator), kind_(kind) {
    const int n = c_.ranks;
    steps_ = kind == CollectiveKind::all_reduce ? 2 * (n - 1) : scatters() ? n - 1 : n;
    nodes_ = c_.nodes == 1 ? 0U : (c_.nodes == 2 ? 1U : 2U);
    generation_ = index(c_.generation);
  }

  Line line(Algorithm algorithm, Proto proto) const {
    const auto& graph = graph_of(algorithm);
    if (graph.channels == 0 || !enabled(algorithm, proto)) return {};
    const auto rate = bus_bandwidth(algorithm, proto, graph);
    return {latency(algorithm, proto, graph), rate * algorithm_share(algorithm)};
  }

 private:
  bool scatters() const { return kind_ == CollectiveKind::all_gather || kind_ == CollectiveKind::reduce_scatter; }

  const Graph& graph_of(Algorithm algorithm) const {
    if (algorithm == Algorithm::ring) return c_.ring;
    return algorithm == Algorithm::nvls || algorithm == Algorithm::nvls_tree ? c_.nvls : c_.tree;
  }

  bool enabled(Algorithm algorithm, Proto proto) const {
    using enum CollectiveKind;
    if (proto == Proto::ll128 && !c_.ll128) return false;
    switch (algorithm) {
      case Algorithm::ring: return true;
      case Algorithm::tree: return kind_ == all_reduce;
      case Algorithm::nvls: return proto == Proto::simple && c_.nvls.channels >= 2 && (kind_ == all_reduce || (scatters() && c_.nodes == 1));
      case Algorithm::nvls_tree: return proto == Proto::simple && c_.nvls.channels >= 2 && kind_ == all_reduce && c_.nodes > 1;
      case Algorithm::pat: break;
    }
    return proto == Proto::simple && scatters() && c_.nodes > 1 && c_.ranks == c_.nodes;
  }

  double nvls_channel(Algorithm algorithm, const Graph& graph) const {
    const auto here = static_cast<double>(c_.ranks) / c_.nodes;
    const auto twice = kind_ == CollectiveKind::all_reduce ? 2.0 : (here - 1) / here;
    const auto intra = graph.bw_intra * nvls_efficiency[generation_] * (graph.channels - 1) / graph.channels * twice;
    const auto inter = graph.bw_inter * (c_.nodes <= 2 && algorithm == Algorithm::nvls_tree ? 2 : 1);
    const auto least = std::min(intra, inter);
    return algorithm == Algorithm::nvls_tree ? std::min(least, channel_nvls_tree[generation_][nodes_]) : least;
  }

  double bus_bandwidth(Algorithm algorithm, Proto proto, const Graph& graph) const {
    const double channels = graph.channels;
    if (algorithm == Algorithm::nvls || algorithm == Algorithm::nvls_tree) return channels * nvls_channel(algorithm, graph);
    auto rate = channels * (c_.nodes <= 2 ? graph.bw_intra : graph.bw_inter);
    const auto ll_most = c_.nodes == 1 ? ll_one_node[generation_] : ll_more_nodes[c_.amd_cpu ? 1 : 0][nodes_];
    if (algorithm == Algorithm::pat) return rate * 0.75;
    if (algorithm == Algorithm::ring) {
      if (proto == Proto::ll) return std::min(ll_most, rate * 0.5);
      if (proto == Proto::ll128) return std::min(rate * 0.92, channels * channel_ring_ll128[generation_][nodes_]);
      return rate;
    }
    rate = std::min(rate * 0.92, channels * channel_tree[generation_][nodes_]);
    if (proto == Proto::ll) return std::min(rate / 3.8, ll_most);
    if (proto == Proto::ll128) return std::min(rate * (c_.nodes == 1 ? 7.0 / 9 : 120.0 / 128), channels * channel_tree_ll128[generation_][nodes_]);
    return rate;
  }

  // From bus bandwidth to bytes of the user's buffer per second.
  double algorithm_share(Algorithm algorithm) const {
    if (algorithm != Algorithm::ring && scatters()) return 1;
    if (algorithm == Algorithm::tree || algorithm == Algorithm::pat) return 0.5;
    return static_cast<double>(c_.ranks) / steps_;
  }

  double latency(Algorithm algorithm, Proto proto, const Graph& graph) const {
    const auto a = index(algorithm);
    const auto p = index(proto);
    const auto base = base_latency[a][p];
    // Through host memory a hop crosses PCIe twice.
    const auto intra = (graph.nvlink && !graph.by_host ? nvlink_latency : pcie_latency)[a][p] * (graph.by_host ? 2 : 1);
    const auto alone = c_.ranks == c_.nodes;
    const auto inter = net_latency[alone ? index(Algorithm::tree) : a][p] + graph.latency_inter_us * (proto == Proto::simple ? 2 : 1);
    const double nodes = c_.nodes;
    switch (algorithm) {
      case Algorithm::ring: return ring_latency(proto, graph, base, intra, inter);
      case Algorithm::tree: return base + 2 * ((c_.ranks / nodes - 1) * intra + std::log2(nodes) * inter);
      case Algorithm::nvls: return intra + (c_.nodes > 1 ? inter : 0);
      case Algorithm::nvls_tree: return base + intra + 2 * std::log2(nodes) * inter;
      case Algorithm::pat: break;
    }
    return base + std::log2(nodes) * inter / 3.5 + 2.8 * c_.ranks;
  }

  double ring_latency(Proto proto, const Graph& graph, double base, double intra, double inter) const {
    if (kind_ == CollectiveKind::all_reduce || scatters()) {
      const auto overhead = c_.nodes == 1 ? 0 : (c_.amd_cpu ? 2.0 : 1.0) * (proto == Proto::simple ? 3 : 1);
      const auto across = c_.nodes == 1 ? 0 : (kind_ == CollectiveKind::all_reduce ? 2 : 1) * (c_.nodes - 1);
      return base + (steps_ - across) * std::max(intra, overhead) + across * inter;
    }
    const auto a = index(proto == Proto::simple ? Algorithm::tree : Algorithm::ring);
    const auto hop = (c_.nodes > 1 ? net_latency : graph.nvlink ? nvlink_latency : pcie_latency)[a][index(proto)];
    return base + (graph.same_channels ? 1 : steps_) * hop;
  }

  const Communicator& c_;
  CollectiveKind kind_;
  int steps_ = 1;
  std::size_t nodes_ = 0;
  std::size_t generation_ = 0;
};

}  // namespace

std::string_view to_string(Algorithm algorithm) { return to_name<Algorithm>(algorithm, algorithm_names); }
std::string_view to_string(Proto proto) { return to_name<Proto>(proto, proto_names); }
Result<Algorithm> algorithm(std::string_view name) { return from_name<Algorithm>("algorithm of NCCL", name, algorithm_names); }
Result<Proto> proto(std::string_view name) { return from_name<Proto>("protocol of NCCL", name, proto_names); }

Table::Table(Communicator communicator, CollectiveKind kind) : communicator_(std::move(communicator)), kind_(kind) {
  const Tuner tuner(communicator_, kind);
  for (const auto algorithm : all_algorithms) {
    for (const auto proto : all_protos) lines_[index(algorithm)][index(proto)] = tuner.line(algorithm, proto);
  }
}

std::optional<Seconds> Table::time(Algorithm algorithm, Proto proto, Bytes size) const {
  const auto& line = at(algorithm, proto);
  if (line.bandwidth_gbps <= 0) return std::nullopt;
  auto bandwidth = line.bandwidth_gbps;
  auto latency = line.latency_us;
  const auto bytes = static_cast<double>(size.count());
  const int log_size = size.count() >= 64 ? static_cast<int>(std::floor(std::log2(bytes / 64))) : -1;
  if (algorithm == Algorithm::tree && kind_ == CollectiveKind::all_reduce && log_size >= 0 && log_size < 23) {
    bandwidth *= tree_correction[index(proto)][static_cast<std::size_t>(log_size)];
  }
  const auto& c = communicator_;
  const bool spread = algorithm == Algorithm::ring && proto == Proto::simple && c.nodes > 1 && kind_ == CollectiveKind::all_reduce;
  if (spread && bytes / (static_cast<double>(c.ring.channels) * c.ranks) >= 64) latency *= c.generation == Generation::volta ? 1.9 : 1.4;
  return Seconds{(latency + bytes / (1000 * bandwidth)) * 1e-6};
}

std::optional<Table::Choice> Table::best(Bytes size, std::optional<Algorithm> told, std::optional<Proto> told_proto) const {
  std::optional<Choice> best;
  for (const auto algorithm : all_algorithms) {
    for (const auto proto : all_protos) {
      if (told.value_or(algorithm) != algorithm || told_proto.value_or(proto) != proto) continue;
      const auto taken = time(algorithm, proto, size);
      if (taken && (!best || *taken < best->time)) best = Choice{algorithm, proto, *taken};
    }
  }
  return best;
}

}  // namespace p2plab::nccl
