// SPDX-License-Identifier: Apache-2.0
#include "forest/cuts/capacity_graph.h"

#include <algorithm>
#include <numeric>

#include "p2plab/base/result.h"
#include "p2plab/detail/max_flow.h"
#include "p2plab/detail/passage.h"

namespace p2plab {

namespace {

// The cut that leaves a terminal short, and by how much; none if all get enough.
struct Shortage {
  std::int64_t missing = 0;
};

std::optional<Shortage> shortage(const ForestProblem& problem) {
  MaxFlow<std::int64_t> flow(problem.vertices + 1);
  for (const auto& arc : problem.arcs) {
    if (arc.capacity > 0) flow.add_arc(arc.from, arc.to, arc.capacity);
  }
  for (int v = 0; v < problem.vertices; ++v) {
    if (problem.trees[static_cast<std::size_t>(v)] > 0) flow.add_arc(problem.vertices, v, problem.trees[static_cast<std::size_t>(v)]);
  }
  const auto wanted = problem.total();
  std::int64_t worst = 0;
  for (const auto t : problem.terminals) worst = std::max(worst, wanted - flow.run(problem.vertices, t, wanted));
  return worst > 0 ? std::optional{Shortage{worst}} : std::nullopt;
}

// Components of vertices joined by arcs wider than `width`.
std::vector<int> wide_islands(const ForestProblem& problem, std::int64_t width) {
  std::vector<int> parent(static_cast<std::size_t>(problem.vertices));
  std::iota(parent.begin(), parent.end(), 0);
  const auto top = [&](int v) {
    while (parent[static_cast<std::size_t>(v)] != v)
      v = parent[static_cast<std::size_t>(v)] = parent[static_cast<std::size_t>(parent[static_cast<std::size_t>(v)])];
    return v;
  };
  for (const auto& arc : problem.arcs) {
    if (arc.capacity > width) parent[static_cast<std::size_t>(top(arc.from))] = top(arc.to);
  }
  std::vector<int> island(parent.size());
  for (int v = 0; v < problem.vertices; ++v) island[static_cast<std::size_t>(v)] = top(v);
  return island;
}

class SwitchRemoval {
 public:
  explicit SwitchRemoval(ForestProblem problem) : problem_(std::move(problem)) {}

  ForestProblem run() {
    std::vector<bool> terminal(static_cast<std::size_t>(problem_.vertices));
    for (const auto t : problem_.terminals) terminal[static_cast<std::size_t>(t)] = true;
    std::vector<int> switches;
    for (int v = 0; v < problem_.vertices; ++v) {
      if (!terminal[static_cast<std::size_t>(v)]) switches.push_back(v);
    }
    // Narrow ones first: what joins islands is split before the islands themselves, while these can still be told apart.
    std::ranges::stable_sort(switches, {}, [&](int v) { return std::pair{width(v), degree(v)}; });
    for (const auto v : switches) remove(v);
    return std::move(problem_);
  }

 private:
  std::int64_t width(int vertex) const {
    std::int64_t most = 0;
    for (const auto& arc : problem_.arcs) most = arc.from == vertex || arc.to == vertex ? std::max(most, arc.capacity) : most;
    return most;
  }
  std::int64_t degree(int vertex) const {
    return std::ranges::count_if(problem_.arcs, [&](const ForestArc& arc) { return arc.from == vertex || arc.to == vertex; });
  }

  void remove(int vertex) {
    ins_.clear();
    outs_.clear();
    for (std::size_t a = 0; a < problem_.arcs.size(); ++a) {
      if (problem_.arcs[a].to == vertex) ins_.push_back(a);
      if (problem_.arcs[a].from == vertex) outs_.push_back(a);
    }
    const auto island = wide_islands(problem_, width(vertex));
    if (!spread(vertex, &island) && !spread(vertex, nullptr)) split_pairs(island);
    std::erase_if(problem_.arcs, [&](const ForestArc& arc) { return arc.capacity == 0 || arc.from == vertex || arc.to == vertex; });
    merge();
  }

  bool allowed(std::size_t in, std::size_t out, const std::vector<int>* island) const {
    const auto from = problem_.arcs[in].from;
    const auto to = problem_.arcs[out].to;
    return from != to && !refuses_at(in, out) &&
           (island == nullptr || (*island)[static_cast<std::size_t>(from)] != (*island)[static_cast<std::size_t>(to)]);
  }

  // Would the path that becomes of both go where data does not?
  bool refuses_at(std::size_t in, std::size_t out) const {
    if (problem_.machine == nullptr) return false;
    const auto middle = NodeId{problem_.arcs[in].to};
    return refuses_passage(*problem_.machine, end_of(problem_.arcs[in].path.back(), middle), middle, end_of(problem_.arcs[out].path.front(), middle));
  }

  // Where a link leads to from one of its ends.
  NodeId end_of(LinkId id, NodeId one) const {
    const auto& link = problem_.machine->link(id);
    return link.from == one ? link.to : link.from;
  }

  // Splitting off a host before its NIC leaves a way there and back: what a path does between two visits to a node is cut out.
  std::vector<LinkId> without_loops(int from, const std::vector<LinkId>& path) const {
    std::vector<LinkId> links;
    std::vector<NodeId> places{NodeId{from}};
    for (const auto link : path) {
      links.push_back(link);
      places.push_back(end_of(link, places.back()));
      const auto first = std::ranges::find(places, places.back()) - places.begin();
      const auto last = static_cast<std::ptrdiff_t>(places.size()) - 1;
      if (first == last) continue;
      links.resize(static_cast<std::size_t>(first));
      places.resize(static_cast<std::size_t>(first) + 1);
    }
    for (std::size_t i = 1; i < links.size(); ++i) {
      if (refuses_passage(*problem_.machine, places[i - 1], places[i], places[i + 1])) return path;
    }
    return links;
  }

  // As much as possible through the vertex, over allowed pairs, no pair more than need be. Kept if the trees still fit.
  bool spread(int vertex, const std::vector<int>* island) {
    const auto count = static_cast<int>(ins_.size() + outs_.size());
    MaxFlow<std::int64_t> flow(count + 2);
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    std::int64_t widest = 0;
    for (std::size_t i = 0; i < ins_.size(); ++i) {
      for (std::size_t o = 0; o < outs_.size(); ++o) {
        if (!allowed(ins_[i], outs_[o], island)) continue;
        pairs.emplace_back(ins_[i], outs_[o]);
        flow.add_arc(static_cast<int>(i), static_cast<int>(ins_.size() + o), 0);
      }
    }
    for (std::size_t i = 0; i < ins_.size(); ++i) {
      flow.add_arc(count, static_cast<int>(i), problem_.arcs[ins_[i]].capacity);
      widest += problem_.arcs[ins_[i]].capacity;
    }
    for (std::size_t o = 0; o < outs_.size(); ++o) flow.add_arc(static_cast<int>(ins_.size() + o), count + 1, problem_.arcs[outs_[o]].capacity);
    const auto through = [&](std::int64_t most) {
      for (std::size_t p = 0; p < pairs.size(); ++p) flow.set_capacity(static_cast<int>(p), most);
      return flow.run(count, count + 1, widest);
    };
    const auto all = through(widest);
    std::int64_t low = 0;
    std::int64_t high = widest;
    while (high - low > 1) {
      const auto middle = low + (high - low) / 2;
      (through(middle) == all ? high : low) = middle;
    }
    through(high);
    const auto before = problem_.arcs;
    for (std::size_t p = 0; p < pairs.size(); ++p) split(pairs[p].first, pairs[p].second, flow.flow(static_cast<int>(p)));
    for (auto& arc : problem_.arcs) {
      if (arc.from == vertex || arc.to == vertex) arc.capacity = 0;
    }
    if (!shortage(problem_)) return true;
    problem_.arcs = before;
    return false;
  }

  void split(std::size_t in, std::size_t out, std::int64_t amount) {
    if (amount == 0) return;
    problem_.arcs[in].capacity -= amount;
    problem_.arcs[out].capacity -= amount;
    auto path = problem_.arcs[in].path;
    path.insert(path.end(), problem_.arcs[out].path.begin(), problem_.arcs[out].path.end());
    if (problem_.machine != nullptr) path = without_loops(problem_.arcs[in].from, path);
    problem_.arcs.push_back({problem_.arcs[in].from, problem_.arcs[out].to, amount, std::move(path)});
  }

  // Frank's way: for each pair as much as keeps the trees packable. A cut that becomes short lost exactly what was split, so taking back what it
  // misses is the next thing to try.
  void split_pairs(const std::vector<int>& island) {
    for (const bool within : {false, true}) {
      for (const auto in : ins_) {
        for (const auto out : outs_) {
          if (!allowed(in, out, nullptr) || allowed(in, out, &island) == within) continue;
          split_most(in, out);
        }
      }
    }
  }

  void split_most(std::size_t in, std::size_t out) {
    auto amount = std::min(problem_.arcs[in].capacity, problem_.arcs[out].capacity);
    while (amount > 0) {
      split(in, out, amount);
      const auto missing = shortage(problem_);
      if (!missing) return;
      problem_.arcs.pop_back();
      problem_.arcs[in].capacity += amount;
      problem_.arcs[out].capacity += amount;
      amount -= missing->missing;
    }
  }

  // Arcs along the same path become one.
  void merge() {
    std::ranges::stable_sort(problem_.arcs,
                             [](const ForestArc& a, const ForestArc& b) { return std::tie(a.from, a.to, a.path) < std::tie(b.from, b.to, b.path); });
    std::vector<ForestArc> merged;
    for (auto& arc : problem_.arcs) {
      if (!merged.empty() && merged.back().path == arc.path) {
        merged.back().capacity += arc.capacity;
      } else {
        merged.push_back(std::move(arc));
      }
    }
    problem_.arcs = std::move(merged);
  }

  ForestProblem problem_;
  std::vector<std::size_t> ins_;
  std::vector<std::size_t> outs_;
};

}  // namespace

std::int64_t ForestProblem::total() const { return std::accumulate(trees.begin(), trees.end(), std::int64_t{0}); }

bool feasible(const ForestProblem& problem) { return !shortage(problem); }

std::optional<ForestProblem> without_switches(ForestProblem problem) {
  if (!feasible(problem)) return std::nullopt;
  auto result = SwitchRemoval{std::move(problem)}.run();
  if (!feasible(result)) return std::nullopt;
  return result;
}

}  // namespace p2plab
