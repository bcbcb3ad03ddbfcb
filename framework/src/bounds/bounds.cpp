// SPDX-License-Identifier: Apache-2.0
#include "p2plab/bounds/bounds.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "bounds/distances.h"
#include "bounds/flow_graph.h"
#include "bounds/in_network.h"
#include "bounds/partition.h"
#include "bounds/programs.h"
#include "bounds/proofs/evaluated_again.h"
#include "bounds/trees/best_trees.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

namespace {

// A linear program above this size takes minutes; then cuts alone bound.
constexpr std::size_t most_flow_columns = 20000;
// Comparisons that the columns of trees may take where switches branch.
constexpr double most_tree_work = 2e9;
// The same where GPUs that take no part may relay an all-reduce, whose cuts alone are weak.
constexpr double most_relay_work = 2e7;

// What takes less is done in any case, so that on small machines the answer does not hang on the time that there is.
constexpr std::chrono::milliseconds quick{50};

class Bounder {
 public:
  Bounder(const Topology& topology, const Collective& collective, std::vector<Block> blocks, const InNetwork& able, const std::function<bool()>& stop)
      : topology_(topology), collective_(collective), blocks_(std::move(blocks)), able_(able) {
    if (stop) stop_ = [stop, end = std::chrono::steady_clock::now() + quick] { return std::chrono::steady_clock::now() > end && stop(); };
    bound_.kind = collective.kind;
    bound_.members = static_cast<int>(collective.members.size());
    for (const auto& block : blocks_) bound_.shares.push_back(block.share);
    if (collective.kind == CollectiveKind::all_to_all) bound_.shares.assign(collective.members.size(), 1);
    if (collective.kind == CollectiveKind::send_receive) bound_.shares.assign(1, 1);
  }

  Result<Bound> run() {
    auto far = bounds::distances(topology_, blocks_);
    if (!far) return std::move(far).error();
    bound_.latency_steps = far->transfers;
    bound_.latency = far->latency;
    bound_.argument = "nothing has to move between GPUs";
    bound_.attained = true;
    if (far->transfers == 0) return bound_;
    switch (collective_.kind) {
      case CollectiveKind::all_gather:
      case CollectiveKind::broadcast: trees(false); break;
      case CollectiveKind::reduce_scatter:
      case CollectiveKind::reduce: trees(true); break;
      case CollectiveKind::gather: paths(true); break;
      case CollectiveKind::scatter: paths(false); break;
      case CollectiveKind::all_reduce: all_reduce(); break;
      case CollectiveKind::all_to_all:
      case CollectiveKind::send_receive: pairs(); break;
    }
    if (!able_.empty() && !in_network_can_help(collective_.kind))
      bound_.argument += "; switches that multicast or reduce cannot help: every byte has one sender and one receiver";
    return bounds::evaluated_again(std::move(bound_), topology_, blocks_, able_);
  }

 private:
  bool stopped() const { return stop_ && stop_(); }
  std::size_t node_of(Rank rank) const { return topology_.node_of(rank).index(); }
  int vertex_of(Rank rank) const { return topology_.node_of(rank).value; }

  // Seconds per byte of each GPU, per second that a byte of weight 1 takes.
  Rational scale() const {
    return sharded(collective_.kind) ? reduced(static_cast<Int128>(bound_.members) * common_of(blocks_), total_share())
                                     : Rational{common_of(blocks_), 1};
  }
  std::int64_t total_share() const {
    return std::accumulate(blocks_.begin(), blocks_.end(), std::int64_t{0}, [](std::int64_t sum, const Block& b) { return sum + b.share; });
  }

  // The blocks with a share as a demand: weights at the one end, terminals at the other.
  bounds::Demand demand(bool weights_at_receivers) const {
    bounds::Demand result{std::vector<std::int64_t>(topology_.nodes().size()), {}};
    std::vector<bool> terminal(topology_.nodes().size());
    for (const auto& block : blocks_) {
      if (block.share == 0) continue;
      const auto& one = weights_at_receivers ? block.receivers : block.contributors;
      const auto& many = weights_at_receivers ? block.contributors : block.receivers;
      result.weights[node_of(one.front())] += block.share;
      for (const auto rank : many) terminal[node_of(rank)] = true;
    }
    for (std::size_t v = 0; v < terminal.size(); ++v) {
      if (terminal[v]) result.terminals.push_back(static_cast<int>(v));
    }
    std::int64_t common = 0;
    for (const auto weight : result.weights) common = std::gcd(common, weight);
    for (auto& weight : result.weights) weight /= std::max<std::int64_t>(common, 1);
    return result;
  }

  // Takes a cut as the bound if it is worse than what is known. `weight` of data leaves it (enters, if reversed).
  void take(const bounds::FlowGraph& graph, const bounds::WorstCut& cut, std::int64_t common, bool reversed) {
    if (cut.weight == 0 || cut.capacity == 0) return;
    const bool parts = sharded(collective_.kind);
    const Int128 factor = parts ? bound_.members : 1;
    const auto weight = reduced(static_cast<Int128>(cut.weight) * common * factor, parts ? total_share() : 1);
    const auto capacity = reduced(static_cast<Int128>(cut.capacity) * graph.unit, 1'000'000'000);
    const auto rate =
        reduced(static_cast<Int128>(weight.numerator) * capacity.denominator, static_cast<Int128>(weight.denominator) * capacity.numerator);
    if (!(rate > bound_.inverse_rate)) return;
    bound_.inverse_rate = rate;
    bound_.cut = cut.nodes;
    bound_.argument = fmt::format("{} must {} {{{}}} at {:.10g} GB/s", amount(weight), reversed ? "enter" : "leave",
                                  set_of_names(topology_, cut.nodes), capacity.value());
    bound_.cut_latency = bounds::least_latency(topology_, cut.nodes, reversed);
  }

  static std::string amount(const Rational& weight) {
    if (weight.denominator == 1 && weight.numerator == 1) return "the bytes of one GPU";
    return fmt::format("the bytes of {} GPUs", weight.denominator == 1 ? to_string(weight) : fmt::format("{:.6g}", weight.value()));
  }

  static std::int64_t common_of(const std::vector<Block>& blocks) {
    std::int64_t common = 0;
    for (const auto& block : blocks) common = std::gcd(common, block.share);
    return std::max<std::int64_t>(common, 1);
  }

  bool every_gpu_is(const std::vector<int>& terminals) const { return terminals.size() == static_cast<std::size_t>(topology_.ranks()); }

  // Cuts hold whatever switches can do, and where links alone bound and switches pass all, GPUs that copy and add reach the worst of them.
  void trees(bool reversed) {
    const auto wanted = demand(reversed);
    const auto graph = bounds::flow_graph(topology_, reversed);
    take(graph, bounds::worst_cut(graph, bounds::one_of_each_kind(topology_, wanted), stop_), common_of(blocks_), reversed);
    if (stopped()) return bounds::give_up(bound_, true);
    bound_.attained = every_gpu_is(wanted.terminals);
    if (!has_budgets(topology_) && bounds::switches_pass_all(topology_, reversed) && (bound_.attained || able_.empty())) return;
    TreeDemand trees{reversed ? std::vector<int>{} : wanted.terminals, reversed ? wanted.terminals : std::vector<int>{}, wanted.weights, true};
    take_best_trees(std::move(trees), scale(), "the best packing of trees");
  }

  void paths(bool gather) {
    const auto wanted = demand(!gather);
    const auto graph = bounds::flow_graph(topology_, !gather);
    take(graph, bounds::worst_cut(graph, wanted, stop_), common_of(blocks_), !gather);
    if (stopped()) return bounds::give_up(bound_, true);
    bound_.attained = true;
    if (!has_budgets(topology_)) return;
    if (topology_.links().size() > most_flow_columns) return bounds::give_up(bound_, false);
    bounds::Commodity commodity{vertex_of(collective_.root), {}};
    for (std::size_t v = 0; v < wanted.weights.size(); ++v) {
      if (wanted.weights[v] > 0 && static_cast<int>(v) != commodity.source) commodity.sinks.emplace_back(static_cast<int>(v), wanted.weights[v]);
    }
    take_flow({std::move(commodity)}, gather, scale(), "the greatest flow");
  }

  void take_flow(const std::vector<bounds::Commodity>& commodities, bool reversed, const Rational& factor, const std::string& what) {
    const auto proved = [&](const bounds::Prices& prices) { return bounds::proved_by_prices(topology_, commodities, reversed, prices); };
    const auto rate = bounds::flow_rate(topology_, commodities, reversed, stop_);
    if (!rate && stopped()) return bounds::give_up(bound_, true);
    bounds::take_rate(bound_, topology_, rate, proved, factor, what);
  }

  void all_reduce() {
    const auto& block = blocks_.front();
    for (const bool reversed : {false, true}) {
      bounds::Demand wanted{std::vector<std::int64_t>(topology_.nodes().size()), {}};
      wanted.weights[node_of((reversed ? block.receivers : block.contributors).front())] = 1;
      for (const auto rank : reversed ? block.contributors : block.receivers) wanted.terminals.push_back(vertex_of(rank));
      const auto graph = bounds::flow_graph(topology_, reversed);
      take(graph, bounds::worst_cut(graph, wanted, stop_), 1, reversed);
    }
    if (every_gpu_both_ways(block) && take_partition()) return;
    if (stopped()) return bounds::give_up(bound_, true);
    TreeDemand trees;
    for (const auto rank : block.receivers) trees.receivers.push_back(vertex_of(rank));
    for (const auto rank : block.contributors) trees.senders.push_back(vertex_of(rank));
    take_best_trees(std::move(trees), {1, 1}, "the best packing of pairs of an in-tree and an out-tree");
  }

  void take_best_trees(TreeDemand trees, const Rational& factor, const std::string& what) {
    trees.multicast = bounds::vertices(able_.multicast);
    trees.reduce = bounds::vertices(able_.reduce);
    trees.stop = stop_;
    bounds::take_best_trees(bound_, topology_, std::move(trees), factor, what,
                            able_.empty() ? (collective_.kind == CollectiveKind::all_reduce ? most_relay_work : 0) : most_tree_work);
  }

  bool every_gpu_both_ways(const Block& block) const {
    const auto all = static_cast<std::size_t>(topology_.ranks());
    return block.receivers.size() == all && block.contributors.size() == all;
  }

  // Counts what must enter the parts of a partition; true if reduce-scatter and then all-gather reach that, so that nothing is left to find out.
  bool take_partition() {
    const auto partition = bounds::worst_partition(topology_, able_.reduce);
    if (partition.inverse_rate() > bound_.inverse_rate) {
      bound_.inverse_rate = partition.inverse_rate();
      bound_.cut.clear();
      bound_.part = partition.part;
      bound_.cut_latency = Seconds{0};
      bound_.argument = fmt::format("2 x {} payloads must enter the {} parts with GPUs of a partition at {:.10g} GB/s together", partition.parts - 1,
                                    partition.parts, static_cast<double>(partition.capacity) / 1e9);
    }
    if (!able_.empty() || has_budgets(topology_) || !bounds::switches_pass_all(topology_, false) || !bounds::switches_pass_all(topology_, true))
      return false;
    std::array<Int128, 2> weight{}, capacity{};
    bounds::Demand all{std::vector<std::int64_t>(topology_.nodes().size()), {}};
    for (int r = 0; r < topology_.ranks(); ++r) {
      all.weights[node_of(Rank{r})] = 1;
      all.terminals.push_back(vertex_of(Rank{r}));
    }
    all = bounds::one_of_each_kind(topology_, std::move(all));
    for (const bool reversed : {false, true}) {
      const auto graph = bounds::flow_graph(topology_, reversed);
      const auto cut = bounds::worst_cut(graph, all, stop_);
      const auto rate = reduced(static_cast<Int128>(cut.weight) * 1'000'000'000, static_cast<Int128>(cut.capacity) * graph.unit * topology_.ranks());
      weight[reversed ? 1 : 0] = rate.numerator;
      capacity[reversed ? 1 : 0] = rate.denominator;
    }
    bound_.attained = !stopped() && reduced(weight[0] * capacity[1] + weight[1] * capacity[0], capacity[0] * capacity[1]) == bound_.inverse_rate;
    return bound_.attained;
  }

  // All-to-all and send_receive: everything that one source sends is one commodity.
  void pairs() {
    std::vector<bounds::Commodity> commodities;
    const auto ranks = static_cast<std::size_t>(topology_.ranks());
    std::vector<std::vector<std::int64_t>> sent(ranks, std::vector<std::int64_t>(ranks));
    for (const auto& block : blocks_) {
      if (block.share > 0 && block.contributors.front() != block.receivers.front())
        ++sent[block.contributors.front().index()][block.receivers.front().index()];
    }
    take_cuts(sent);
    if (stopped()) return bounds::give_up(bound_, true);
    for (std::size_t r = 0; r < ranks; ++r) {
      bounds::Commodity commodity{vertex_of(Rank{static_cast<std::int64_t>(r)}), {}};
      for (std::size_t to = 0; to < ranks; ++to) {
        if (sent[r][to] > 0) commodity.sinks.emplace_back(vertex_of(Rank{static_cast<std::int64_t>(to)}), sent[r][to]);
      }
      if (!commodity.sinks.empty()) commodities.push_back(std::move(commodity));
    }
    if (commodities.size() * topology_.links().size() > most_flow_columns) return bounds::give_up(bound_, false);
    take_flow(commodities, false, {1, 1}, "the greatest flow between all pairs at once");
  }

  // What one GPU sends or gets, and what crosses the worst cut for all-gather.
  void take_cuts(const std::vector<std::vector<std::int64_t>>& sent) {
    const auto ranks = sent.size();
    for (const bool reversed : {false, true}) {
      const auto graph = bounds::flow_graph(topology_, reversed);
      bounds::Demand all{std::vector<std::int64_t>(topology_.nodes().size()), {}};
      for (std::size_t r = 0; r < ranks && !stopped(); ++r) {
        // Everything that must come to r (leave it, if reversed), as if it could come from there at will.
        bounds::Demand wanted{std::vector<std::int64_t>(topology_.nodes().size()), {vertex_of(Rank{static_cast<std::int64_t>(r)})}};
        for (std::size_t o = 0; o < ranks; ++o) wanted.weights[node_of(Rank{static_cast<std::int64_t>(o)})] = reversed ? sent[r][o] : sent[o][r];
        take(graph, bounds::worst_cut(graph, wanted, stop_), 1, reversed);
        all.weights[node_of(Rank{static_cast<std::int64_t>(r)})] = 1;
        all.terminals.push_back(vertex_of(Rank{static_cast<std::int64_t>(r)}));
      }
      auto cut = bounds::worst_cut(graph, all, stop_);
      std::vector<bool> inside(topology_.nodes().size());
      for (const auto node : cut.nodes) inside[node.index()] = true;
      cut.weight = 0;
      for (std::size_t a = 0; a < ranks; ++a) {
        for (std::size_t b = 0; b < ranks; ++b) {
          const bool from_in = inside[node_of(Rank{static_cast<std::int64_t>(a)})];
          const bool to_in = inside[node_of(Rank{static_cast<std::int64_t>(b)})];
          if (reversed ? (!from_in && to_in) : (from_in && !to_in)) cut.weight += sent[a][b];
        }
      }
      take(graph, cut, 1, reversed);
    }
  }

  const Topology& topology_;
  const Collective& collective_;
  std::vector<Block> blocks_;
  const InNetwork& able_;
  std::function<bool()> stop_;
  Bound bound_;
};

}  // namespace

Result<Bound> bound(const Topology& topology, const Collective& collective, const InNetwork& able, const std::function<bool()>& stop) {
  auto blocks = contract(collective, topology.ranks());
  if (!blocks) return std::move(blocks).error();
  if (auto checked = bounds::check(topology, able); !checked) return std::move(checked).error();
  return Bounder{topology, collective, *std::move(blocks), able, stop}.run();
}

}  // namespace p2plab
