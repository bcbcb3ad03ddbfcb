// SPDX-License-Identifier: Apache-2.0
#include "ring/cycles.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>

#include "ring/cycle_merging.h"

namespace p2plab {

namespace {

constexpr double forbidden = std::numeric_limits<double>::infinity();
constexpr int most_visits = 20'000;  // of the depth-first search

// Best path from point 0 over a set of the other points to `last`; sets are bit masks over points 1, 2, ...
class HeldKarp {
 public:
  explicit HeldKarp(const CostMatrix& costs) : costs_(costs), others_(costs.points() - 1) {
    const auto states = static_cast<std::size_t>(others_) << others_;
    best_.assign(states, forbidden);
    before_.assign(states, -1);
  }

  std::optional<std::vector<int>> solve() {
    for (int i = 0; i < others_; ++i) best_[state(1U << i, i)] = costs_.at(0, i + 1);
    for (std::uint32_t set = 1; set < (1U << others_); ++set) {
      for (int last = 0; last < others_; ++last) extend(set, last);
    }
    const auto all = (1U << others_) - 1;
    int end = -1;
    double least = forbidden;
    for (int last = 0; last < others_; ++last) {
      const double cost = best_[state(all, last)] + costs_.at(last + 1, 0);
      if (cost != forbidden && cost <= least) {  // of equals the last: so ties give rising orders
        least = cost;
        end = last;
      }
    }
    if (end < 0) return std::nullopt;
    return path_to(all, end);
  }

 private:
  std::size_t state(std::uint32_t set, int last) const {
    return static_cast<std::size_t>(set) * static_cast<std::size_t>(others_) + static_cast<std::size_t>(last);
  }

  void extend(std::uint32_t set, int last) {
    const double so_far = best_[state(set, last)];
    if (so_far == forbidden || (set & (1U << last)) == 0) return;
    for (int next = 0; next < others_; ++next) {
      if ((set & (1U << next)) != 0) continue;
      const auto to = state(set | (1U << next), next);
      const double cost = so_far + costs_.at(last + 1, next + 1);
      if (cost == forbidden || cost > best_[to]) continue;
      best_[to] = cost;
      before_[to] = static_cast<std::int16_t>(last);
    }
  }

  std::vector<int> path_to(std::uint32_t set, int last) const {
    std::vector<int> path;
    while (last >= 0) {
      path.push_back(last + 1);
      const auto before = before_[state(set, last)];
      set &= ~(1U << last);
      last = before;
    }
    path.push_back(0);
    std::ranges::reverse(path);
    return path;
  }

  const CostMatrix& costs_;
  int others_;
  std::vector<double> best_;
  std::vector<std::int16_t> before_;
};

// Depth-first: cheapest neighbour first, among equals the one with the fewest ways on (Warnsdorff's rule).
class DepthFirst {
 public:
  explicit DepthFirst(const CostMatrix& costs)
      : costs_(costs),
        words_((static_cast<std::size_t>(costs.points()) + 63) / 64),
        open_(words_),
        next_(words_ * static_cast<std::size_t>(costs.points())) {
    for (int from = 0; from < costs.points(); ++from) {
      open_[word(from)] |= bit(from);
      for (int to = 0; to < costs.points(); ++to) {
        if (costs.allowed(from, to)) next_[static_cast<std::size_t>(from) * words_ + word(to)] |= bit(to);
      }
    }
  }

  std::optional<std::vector<int>> solve() {
    std::vector<std::uint64_t> entered(words_);
    for (int point = 0; point < costs_.points(); ++point) {
      if (ways_on(point) == 0) return std::nullopt;
      for (std::size_t w = 0; w < words_; ++w) entered[w] |= next_[static_cast<std::size_t>(point) * words_ + w];
    }
    if (entered != open_) return std::nullopt;
    path_ = {0};
    open_[0] &= ~bit(0);
    return go_on() ? std::optional{path_} : std::nullopt;
  }

 private:
  static std::size_t word(int point) { return static_cast<std::size_t>(point) / 64; }
  static std::uint64_t bit(int point) { return std::uint64_t{1} << (point % 64); }

  // Neighbours not on the path yet.
  int ways_on(int from) const {
    int ways = 0;
    for (std::size_t w = 0; w < words_; ++w) ways += std::popcount(next_[static_cast<std::size_t>(from) * words_ + w] & open_[w]);
    return ways;
  }

  bool go_on() {
    const int here = path_.back();
    if (static_cast<int>(path_.size()) == costs_.points()) return costs_.allowed(here, 0);
    if (++visits_ > most_visits) return false;
    struct Choice {
      double cost;
      int ways;
      int point;
      auto operator<=>(const Choice&) const = default;
    };
    std::vector<Choice> choices;
    for (std::size_t w = 0; w < words_; ++w) {
      for (auto left = next_[static_cast<std::size_t>(here) * words_ + w] & open_[w]; left != 0; left &= left - 1) {
        const auto to = static_cast<int>(w * 64) + std::countr_zero(left);
        choices.push_back({costs_.at(here, to), ways_on(to), to});
      }
    }
    std::ranges::sort(choices);
    for (const auto& choice : choices) {
      open_[word(choice.point)] &= ~bit(choice.point);
      path_.push_back(choice.point);
      if (go_on()) return true;
      path_.pop_back();
      open_[word(choice.point)] |= bit(choice.point);
    }
    return false;
  }

  const CostMatrix& costs_;
  std::size_t words_;
  std::vector<std::uint64_t> open_;  // points not on the path, one bit each
  std::vector<std::uint64_t> next_;  // and the neighbours of each point
  std::vector<int> path_;
  int visits_ = 0;
};

// Moves single points to better places until none is better (Or, 1976).
void improve(const CostMatrix& costs, std::vector<int>& cycle) {
  const auto n = static_cast<int>(cycle.size());
  const auto point = [&](int i) { return cycle[static_cast<std::size_t>((i + n) % n)]; };
  for (int passes = 0; passes < 20; ++passes) {
    bool better = false;
    for (int i = 1; i < n; ++i) {
      const double saved = costs.at(point(i - 1), point(i)) + costs.at(point(i), point(i + 1)) - costs.at(point(i - 1), point(i + 1));
      for (int j = 0; j < n; ++j) {  // between j and j + 1
        if (j == i || j == i - 1) continue;
        const double spent = costs.at(point(j), point(i)) + costs.at(point(i), point(j + 1)) - costs.at(point(j), point(j + 1));
        if (!(spent < saved - 1e-12)) continue;
        const int moved = point(i);
        cycle.erase(cycle.begin() + i);
        cycle.insert(cycle.begin() + (j < i ? j + 1 : j), moved);
        better = true;
        break;
      }
    }
    if (!better) return;
  }
}

}  // namespace

CostMatrix::CostMatrix(int points) : points_(points), costs_(static_cast<std::size_t>(points) * static_cast<std::size_t>(points), forbidden) {}

bool CostMatrix::allowed(int from, int to) const { return at(from, to) != forbidden; }

std::optional<std::vector<int>> cheapest_cycle(const CostMatrix& costs) {
  if (costs.points() <= exact_points) return HeldKarp{costs}.solve();
  auto cycle = DepthFirst{costs}.solve();
  if (!cycle) cycle = merged_cycle(costs);
  if (cycle) improve(costs, *cycle);
  return cycle;
}

double cycle_cost(const CostMatrix& costs, const std::vector<int>& cycle) {
  double sum = 0;
  for (std::size_t i = 0; i < cycle.size(); ++i) sum += costs.at(cycle[i], cycle[(i + 1) % cycle.size()]);
  return sum;
}

}  // namespace p2plab
