// SPDX-License-Identifier: Apache-2.0
// Columns: a path for the pairs (first root of an orbit, any receiver), standing for its images. Rows: capacities of orbits; each pair's rate.
#include "flow/paths.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "forest/lp/height_limited_trees.h"
#include "forest/lp/orbit_capacities.h"
#include "forest/lp/tree_column.h"
#include "p2plab/detail/linear_program.h"

namespace p2plab {

namespace {

constexpr double near_enough = 1 - 1e-6;
constexpr double nothing = 1e-12;  // a rate that is the solver's noise
constexpr double least_share = 0.002;
constexpr int most_path_rounds = 200;
constexpr std::size_t most_pairs = 1500;
constexpr std::size_t most_path_work = 4'000'000;  // pairs times that
constexpr std::size_t most_searches = 70'000;      // orbits of GPUs times GPUs: each round looks for paths between them

struct PathColumn {
  std::size_t pair = 0;
  std::vector<int> places;  // positions from root to end
  std::vector<std::vector<int>> links;
};

class FlowProgram {
 public:
  FlowProgram(const Topology& topology, const FlowProblem& problem, const std::vector<Automorphism>& group)
      : topology_(topology),
        target_(problem.target),
        group_(group),
        capacities_(topology, group),
        hops_(topology, all_gpus(topology), TreeDirection::from_root, group) {
    for (const auto& [from, to, weight] : problem.demands) {
      if (hops_.representatives()[from.index()] != from.value) continue;
      const auto size = std::ranges::count(hops_.representatives(), from.value);
      pairs_.push_back({from.value, to.value, static_cast<double>(size), static_cast<double>(weight)});
    }
  }

  bool too_large() const {
    const auto& kinds = hops_.representatives();
    std::size_t searches = 0;
    for (std::size_t i = 0; i < kinds.size(); ++i) searches += kinds[i] == static_cast<int>(i) ? kinds.size() : 0;
    return pairs_.size() > most_pairs || searches > most_searches || pairs_.size() * searches > most_path_work;
  }

  bool run(const std::function<bool()>& stop) {
    const double gain = 1;
    const double no_limit = LinearProgram::unbounded;
    program_ = std::make_unique<LinearProgram>(std::span{&gain, 1}, std::span{&no_limit, 1});
    for (std::size_t o = 0; o < capacities_.size(); ++o) program_->add_row(0, {}, 1);
    for (const auto& pair : pairs_) {
      const LinearProgram::Term rate{0, -pair.weight};
      program_->add_row(0, {&rate, 1}, LinearProgram::unbounded);
    }
    std::vector<double> prices(capacities_.size(), 1e-6);
    std::vector<double> worth(pairs_.size(), LinearProgram::unbounded);
    for (int round = 0; round < most_path_rounds && add_paths(prices, worth); ++round) {
      if (!program_->solve()) return false;
      if (program_->objective() >= near_enough || stop()) break;
      for (std::size_t o = 0; o < prices.size(); ++o) prices[o] = std::max(0.0, program_->price(static_cast<int>(o)));
      for (std::size_t p = 0; p < worth.size(); ++p) worth[p] = -program_->price(static_cast<int>(capacities_.size() + p));
    }
    return !columns_.empty() && joined_ && program_->objective() > nothing;
  }

  /// Does every GPU have the first one's paths by exactly one mapping?
  bool one_stands_for_all() const {
    const auto& kinds = hops_.representatives();
    return group_.size() == kinds.size() && std::ranges::count(kinds, kinds.front()) == std::ssize(kinds);
  }

  FlowPaths result(bool fold) const {
    std::vector<double> weights;
    std::vector<int> lots;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const auto value = program_->value(1 + static_cast<int>(c)) / program_->objective();
      weights.push_back(value > least_share * pairs_[columns_[c].pair].weight ? value : 0);
      lots.push_back(static_cast<int>(columns_[c].pair));
    }
    std::vector<double> sums;
    for (const auto& pair : pairs_) sums.push_back(pair.weight);
    const auto counts = whole_weights(weights, lots, sums, 1e-7);
    FlowPaths result;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      for (const auto& element : std::span{group_}.first(fold ? 1 : group_.size())) {
        if (counts[c] > 0) result.paths.push_back(image(columns_[c], counts[c], element));
      }
    }
    result.share = program_->objective();
    return result;
  }

 private:
  struct Pair {
    int from;
    int to;
    double roots;  // in the orbit of `from`
    double weight;
  };

  static std::vector<int> all_gpus(const Topology& topology) {
    std::vector<int> gpus;
    for (int r = 0; r < topology.ranks(); ++r) gpus.push_back(topology.node_of(Rank{r}).value);
    return gpus;
  }

  // The cheapest path of each pair that costs less than the pair is worth; false if there is none, or if some pair cannot be joined.
  bool add_paths(const std::vector<double>& prices, const std::vector<double>& worth) {
    std::vector<double> by_link(topology_.links().size());
    for (std::size_t l = 0; l < by_link.size(); ++l) {
      for (const auto o : capacities_.of(static_cast<int>(l))) by_link[l] += prices[static_cast<std::size_t>(o)] * target_ / capacities_.total(o);
    }
    hops_.set_prices(by_link);
    const auto before = columns_.size();
    for (std::size_t p = 0; p < pairs_.size(); ++p) {
      if (p == 0 || pairs_[p].from != pairs_[p - 1].from) spread(pairs_[p].from);
      const auto cost = cost_[static_cast<std::size_t>(pairs_[p].to)].first;
      if (cost == LinearProgram::unbounded) {
        joined_ = false;
        return false;
      }
      if (cost * pairs_[p].roots < worth[p] - 1e-9) add(p);
    }
    return columns_.size() > before;
  }

  // Dijkstra over hops from one GPU: least cost, then fewest hops.
  void spread(int from) {
    const auto n = static_cast<std::size_t>(hops_.size());
    cost_.assign(n, {LinearProgram::unbounded, 0});
    before_.assign(n, -1);
    std::vector<bool> done(n);
    cost_[static_cast<std::size_t>(from)] = {0, 0};
    for (std::size_t step = 0; step < n; ++step) {
      std::size_t next = n;
      for (std::size_t v = 0; v < n; ++v) {
        if (!done[v] && (next == n || cost_[v] < cost_[next])) next = v;
      }
      done[next] = true;
      if (cost_[next].first == LinearProgram::unbounded) return;
      for (std::size_t v = 0; v < n; ++v) {
        const std::pair there{cost_[next].first + hops_.hop(static_cast<int>(next), static_cast<int>(v)), cost_[next].second + 1};
        if (done[v] || there >= cost_[v]) continue;
        cost_[v] = there;
        before_[v] = static_cast<int>(next);
      }
    }
  }

  void add(std::size_t pair) {
    PathColumn column{pair, {}, {}};
    for (auto v = pairs_[pair].to; v >= 0; v = before_[static_cast<std::size_t>(v)]) column.places.push_back(v);
    std::ranges::reverse(column.places);
    std::map<int, double> uses;
    for (std::size_t i = 1; i < column.places.size(); ++i) {
      column.links.emplace_back();
      hops_.path(column.places[i - 1], column.places[i], column.links.back());
      for (const auto link : column.links.back()) {
        for (const auto o : capacities_.of(link)) uses[o] += pairs_[pair].roots * target_ / capacities_.total(o);
      }
    }
    std::vector<LinearProgram::Term> terms;
    for (const auto& [o, part] : uses) terms.push_back({o, part});
    terms.push_back({static_cast<int>(capacities_.size() + pair), 1});
    program_->add_column(0, terms);
    columns_.push_back(std::move(column));
  }

  FlowPath image(const PathColumn& column, std::int64_t count, const Automorphism& element) const {
    const auto node = [&](int position) { return element.nodes[static_cast<std::size_t>(hops_.terminals()[static_cast<std::size_t>(position)])]; };
    FlowPath path{node(column.places.front()), {}, count};
    for (std::size_t i = 0; i < column.links.size(); ++i) {
      FlowPath::Hop hop{node(column.places[i + 1]), {}};
      for (const auto link : column.links[i]) hop.links.emplace_back(element.links[static_cast<std::size_t>(link)]);
      path.hops.push_back(std::move(hop));
    }
    return path;
  }

  const Topology& topology_;
  double target_;
  const std::vector<Automorphism>& group_;
  OrbitCapacities capacities_;
  HeightLimitedTrees hops_;
  std::vector<Pair> pairs_;
  std::vector<PathColumn> columns_;
  std::vector<std::pair<double, int>> cost_;
  std::vector<int> before_;
  std::unique_ptr<LinearProgram> program_;
  bool joined_ = true;
};

bool keeps(const Automorphism& symmetry, const Topology& topology, const std::vector<FlowDemand>& demands) {
  std::vector<std::tuple<int, int, std::int64_t>> before;
  std::vector<std::tuple<int, int, std::int64_t>> after;
  for (const auto& [from, to, weight] : demands) {
    const auto nodes = std::pair{topology.node_of(from), topology.node_of(to)};
    before.emplace_back(nodes.first.value, nodes.second.value, weight);
    after.emplace_back(symmetry.nodes[nodes.first.index()], symmetry.nodes[nodes.second.index()], weight);
  }
  std::ranges::sort(before);
  std::ranges::sort(after);
  return before == after;
}

std::vector<Automorphism> group_for(const Topology& topology, const FlowProblem& problem) {
  if (problem.marks_tell) return symmetry_group(topology, problem.marks);
  auto generators = symmetry_generators(topology, problem.marks);
  std::erase_if(generators, [&](const Automorphism& symmetry) { return !keeps(symmetry, topology, problem.demands); });
  auto group = group_of(topology, generators, static_cast<std::size_t>(topology.ranks()));
  return group.empty() ? std::vector{identity_of(topology)} : group;
}

}  // namespace

FlowPaths best_flow_paths(const Topology& topology, const FlowProblem& problem) {
  auto group = group_for(topology, problem);
  FlowProgram program(topology, problem, group);
  if (program.too_large() || !program.run(problem.stop)) return {};
  const bool fold = problem.fold && program.one_stands_for_all();
  auto found = program.result(fold);
  if (fold) found.images = std::make_shared<const std::vector<Automorphism>>(std::move(group));
  return found;
}

}  // namespace p2plab
