// SPDX-License-Identifier: Apache-2.0
#include "ring/cycle_merging.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <random>

namespace p2plab {

namespace {

constexpr int most_tries = 200;
constexpr int most_points = 1024;  // beyond, the matching alone takes seconds

class Merger {
 public:
  explicit Merger(const CostMatrix& costs) : costs_(costs), hops_(size()), order_(size()), seen_(size()), cycle_of_(size()) {
    for (int from = 0; from < costs.points(); ++from) {
      for (int to = 0; to < costs.points(); ++to) {
        if (costs.allowed(from, to)) hops_[static_cast<std::size_t>(from)].push_back(to);
      }
    }
    std::iota(order_.begin(), order_.end(), 0);
  }

  std::optional<std::vector<int>> run() {
    for (int attempt = 0; attempt < most_tries; ++attempt) {
      attempt < static_cast<int>(orders) ? sort_hops(attempt) : shuffle();
      if (!match()) return std::nullopt;
      if (merge()) return in_order();
    }
    return std::nullopt;
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(costs_.points()); }
  int& next(int point) { return next_[static_cast<std::size_t>(point)]; }
  int& before(int point) { return before_[static_cast<std::size_t>(point)]; }

  // Hops to low or high points first, to near or far ones, backwards or forwards first: on regular machines one of these ends in one cycle.
  static constexpr std::size_t orders = 6;
  void sort_hops(int which) {
    for (int from = 0; from < costs_.points(); ++from) {
      const auto key = [&](int to) {
        const int way = std::abs(to - from);
        const std::array<std::pair<int, int>, orders> keys{{{0, to}, {0, -to}, {way, to}, {way, -to}, {-way, to}, {-way, -to}}};
        return keys[static_cast<std::size_t>(which)];
      };
      std::ranges::sort(hops_[static_cast<std::size_t>(from)], {}, key);
    }
  }

  // std::shuffle differs between libraries.
  void shuffle() {
    const auto mix = [&](std::vector<int>& list) {
      for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[random_() % i]);
    };
    mix(order_);
    for (auto& list : hops_) mix(list);
  }

  // Each point gets a follower of its own (Kuhn, 1955); false if that cannot be.
  bool match() {
    next_.assign(size(), -1);
    before_.assign(size(), -1);
    for (const auto point : order_) {
      std::fill(seen_.begin(), seen_.end(), false);
      if (!find_follower(point)) return false;
    }
    return true;
  }

  bool find_follower(int point) {
    for (const auto to : hops_[static_cast<std::size_t>(point)]) {
      if (seen_[static_cast<std::size_t>(to)]) continue;
      seen_[static_cast<std::size_t>(to)] = true;
      if (before(to) >= 0 && !find_follower(before(to))) continue;
      next(point) = to;
      before(to) = point;
      return true;
    }
    return false;
  }

  int root(int cycle) {
    while (joined_[static_cast<std::size_t>(cycle)] != cycle) cycle = joined_[static_cast<std::size_t>(cycle)];
    return cycle;
  }

  // Makes one of two cycles where hops a -> x, b -> y can be a -> y, b -> x; true if one is left.
  bool merge() {
    const auto cycles = number_cycles();
    auto left = cycles;
    for (bool merged = true; left > 1 && merged;) {
      merged = false;
      for (const auto a : order_) {
        for (const auto y : hops_[static_cast<std::size_t>(a)]) {
          const auto b = before(y);
          const auto x = next(a);
          const auto mine = root(cycle_of_[static_cast<std::size_t>(a)]);
          const auto other = root(cycle_of_[static_cast<std::size_t>(y)]);
          if (mine == other || !costs_.allowed(b, x)) continue;
          next(a) = y;
          before(y) = a;
          next(b) = x;
          before(x) = b;
          joined_[static_cast<std::size_t>(mine)] = other;
          merged = true;
          --left;
        }
      }
    }
    return left == 1;
  }

  int number_cycles() {
    std::fill(cycle_of_.begin(), cycle_of_.end(), -1);
    int cycles = 0;
    for (int start = 0; start < costs_.points(); ++start) {
      if (cycle_of_[static_cast<std::size_t>(start)] >= 0) continue;
      for (auto at = start; cycle_of_[static_cast<std::size_t>(at)] < 0; at = next(at)) cycle_of_[static_cast<std::size_t>(at)] = cycles;
      ++cycles;
    }
    joined_.resize(static_cast<std::size_t>(cycles));
    std::iota(joined_.begin(), joined_.end(), 0);
    return cycles;
  }

  std::vector<int> in_order() {
    std::vector<int> cycle{0};
    for (auto at = next(0); at != 0; at = next(at)) cycle.push_back(at);
    return cycle;
  }

  const CostMatrix& costs_;
  std::vector<std::vector<int>> hops_;
  std::vector<int> order_;
  std::vector<bool> seen_;
  std::vector<int> next_;
  std::vector<int> before_;
  std::vector<int> cycle_of_;
  std::vector<int> joined_;
  std::mt19937_64 random_{1};
};

}  // namespace

std::optional<std::vector<int>> merged_cycle(const CostMatrix& costs) {
  if (costs.points() < 2 || costs.points() > most_points) return std::nullopt;
  return Merger{costs}.run();
}

}  // namespace p2plab
