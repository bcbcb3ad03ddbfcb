// SPDX-License-Identifier: Apache-2.0
#include "ring/packing.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "common/column_generation.h"

namespace p2plab {

namespace {

constexpr double tiny = 1e-9;
constexpr int greedy_searches = 120;         // for cycles, over all greedy packings
constexpr int most_greedy_hops = 2'000'000;  // priced in all these searches: some seconds
constexpr int many_points = 128;             // beyond, cycles for the linear program are limited so, too: each takes as long as its gain is small
constexpr std::size_t few_cycles = 4;
constexpr std::size_t dive_choices = 16;  // cycles tried at each step of a dive

double total(const std::vector<PackedCycle>& packed) {
  return std::accumulate(packed.begin(), packed.end(), 0.0, [](double sum, const PackedCycle& c) { return sum + c.amount; });
}

class CyclePacker {
 public:
  CyclePacker(const RingProblem& problem, const std::vector<int>& first)
      : problem_(problem),
        n_(problem.distances.points()),
        unit_(std::ranges::max(problem.capacities)),
        searches_(std::clamp(most_greedy_hops / (n_ * n_), 1, greedy_searches)),
        searches_left_(n_ > many_points ? searches_ : std::numeric_limits<int>::max()) {
    if (n_ <= most_greedy_hops / n_) {
      for (int a = 0; a < n_; ++a) {
        for (int b = 0; b < n_; ++b) hops_.push_back(problem.hop(a, b));
      }
    }
    cycles_.push_back(first);
    cycles_.insert(cycles_.end(), problem.offers.begin(), problem.offers.end());
    for (const auto& cycle : cycles_) columns_.push_back(column_of(cycle, static_cast<int>(columns_.size())));
    for (int a = 0; a < n_; ++a) {
      for (int b = 0; b < n_; ++b) longest_ = problem_.distances.allowed(a, b) ? std::max(longest_, problem_.distances.at(a, b)) : longest_;
    }
    bound_ = find_bound();
  }

  std::vector<PackedCycle> best(std::size_t most) {
    // No cycle carries more than the widest resource, and no packing more than a member's links.
    const auto enough = std::min(bound_, static_cast<double>(most) * unit_) * (1 - tiny);
    const auto known = cycles_;
    const auto optimum = fractional(problem_.capacities, enough);
    auto packed = optimum;
    if (packed.size() > most) packed.resize(most);
    const auto consider = [&](std::vector<PackedCycle> other) {
      const double gain = total(other) - total(packed);
      const bool fewer = other.size() < packed.size();
      if (gain > tiny * unit_ || (gain > -tiny * unit_ && fewer)) packed = std::move(other);
    };
    if (n_ <= exact_points && optimum.size() > 1) consider(dive(optimum, most));
    if (problem_.offers.size() > 1) consider(filled(known, most));
    int left = problem_.guess && (problem_.offers.size() < 2 || total(packed) < enough) ? searches_ : 0;
    for (std::uint64_t seed = 0; left > 0 && !cannot_improve(packed); ++seed) {
      auto tried = greedy(seed, most);
      left -= static_cast<int>(tried.size()) + 1;
      consider(std::move(tried));
    }
    return packed;
  }

 private:
  // Until it is asked for another one. Of very many pairs a table would take gigabytes.
  const std::vector<std::size_t>& hop(int a, int b) const {
    if (hops_.empty()) return hop_at_hand_ = problem_.hop(a, b);
    return hops_[static_cast<std::size_t>(a) * static_cast<std::size_t>(n_) + static_cast<std::size_t>(b)];
  }

  // Nothing to gain: one cycle, or few that fill all that some member can send or take in.
  bool cannot_improve(const std::vector<PackedCycle>& packed) const {
    return packed.size() == 1 || (total(packed) > bound_ * (1 - tiny) && packed.size() <= few_cycles);
  }

  // No packing exceeds what any member can send or take in: the sum over the first, or last, links of its hops.
  double find_bound() const {
    double least = std::numeric_limits<double>::infinity();
    if (hops_.empty() && problem_.enough < least) return problem_.enough;  // what all members' links say takes seconds
    for (int a = 0; a < n_; ++a) {
      std::vector<std::size_t> out;
      std::vector<std::size_t> in;
      for (int b = 0; b < n_; ++b) {
        if (problem_.distances.allowed(a, b)) out.push_back(hop(a, b).front());
        if (problem_.distances.allowed(b, a)) in.push_back(hop(b, a).back());
      }
      least = std::min({least, capacity_of(std::move(out)), capacity_of(std::move(in))});
    }
    return std::min(least, problem_.enough);
  }

  double capacity_of(std::vector<std::size_t> resources) const {
    std::ranges::sort(resources);
    resources.erase(std::unique(resources.begin(), resources.end()), resources.end());
    return std::accumulate(resources.begin(), resources.end(), 0.0, [&](double sum, std::size_t r) { return sum + problem_.capacities[r]; });
  }

  Column column_of(const std::vector<int>& cycle, int id) const {
    std::vector<double> amounts(problem_.capacities.size());
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      for (const auto r : hop(cycle[i], cycle[(i + 1) % cycle.size()])) amounts[r] += 1;
    }
    Column column{id, {}};
    for (std::size_t r = 0; r < amounts.size(); ++r) {
      if (amounts[r] > 0) column.uses.push_back({r, amounts[r]});
    }
    return column;
  }

  double room(const Column& column, std::span<const double> capacities) const {
    double most = std::numeric_limits<double>::infinity();
    for (const auto& use : column.uses) most = std::min(most, capacities[use.resource] / use.amount);
    return most < tiny * unit_ ? 0 : most;
  }

  static void take(const Column& column, double amount, std::vector<double>& capacities) {
    for (const auto& use : column.uses) capacities[use.resource] = std::max(0.0, capacities[use.resource] - amount * use.amount);
  }

  // Costs of the hops that still have room, from prices of the resources; distances, made very small, decide between equals.
  CostMatrix costs(std::span<const double> prices, std::span<const double> capacities) const {
    CostMatrix costs(n_);
    for (int a = 0; a < n_; ++a) {
      for (int b = 0; b < n_; ++b) {
        const auto& used = hop(a, b);
        if (!problem_.distances.allowed(a, b) || std::ranges::any_of(used, [&](std::size_t r) { return capacities[r] < tiny * unit_; })) continue;
        double sum = problem_.distances.at(a, b) / longest_ / n_ * 1e-8;
        for (const auto r : used) sum += std::max(0.0, prices[r]);
        costs.at(a, b) = sum;
      }
    }
    return costs;
  }

  std::vector<PackedCycle> fractional(const std::vector<double>& capacities, double enough = std::numeric_limits<double>::infinity()) {
    std::vector<Column> known;
    for (const auto& column : columns_) {
      if (room(column, capacities) > 0) known.push_back(column);
    }
    const auto packed = pack(
        capacities, [&](std::span<const double> prices) { return cheapest(prices, capacities); }, known, enough);
    std::vector<PackedCycle> result;
    for (const auto& column : packed) result.push_back({cycles_[static_cast<std::size_t>(column.id)], column.amount});
    return result;
  }

  // A known column if one is cheap enough, else a new one.
  std::optional<Column> cheapest(std::span<const double> prices, std::span<const double> capacities) {
    const Column* best = nullptr;
    double least = 1 - 1e-6;
    for (const auto& column : columns_) {
      double cost = 0;
      for (const auto& use : column.uses) cost += use.amount * prices[use.resource];
      if (cost >= least || room(column, capacities) == 0) continue;
      least = cost;
      best = &column;
    }
    if (best != nullptr) return *best;
    if (searches_left_-- <= 0) return std::nullopt;
    auto found = cheapest_cycle(costs(prices, capacities));
    if (!found) return std::nullopt;
    return remember(*std::move(found));
  }

  const Column& remember(std::vector<int> cycle) {
    columns_.push_back(column_of(cycle, static_cast<int>(cycles_.size())));
    cycles_.push_back(std::move(cycle));
    return columns_.back();
  }

  // Fills one cycle after the other as far as it goes, each chosen so that the rest can still be packed optimally; where none can, the rest stays
  // fractional. Empty if that takes more than `most` cycles.
  std::vector<PackedCycle> dive(std::vector<PackedCycle> guide, std::size_t most) {
    std::vector<PackedCycle> filled;
    auto capacities = problem_.capacities;
    double missing = total(guide);
    while (missing > tiny * unit_) {
      if (filled.size() == most) return {};
      bool advanced = false;
      for (std::size_t i = 0; i < std::min(guide.size(), dive_choices) && !advanced; ++i) {
        const auto column = column_of(guide[i].cycle, 0);
        const auto amount = room(column, capacities);
        auto rest = capacities;
        take(column, amount, rest);
        auto next = fractional(rest);
        if (amount + total(next) < missing - tiny * unit_) continue;
        filled.push_back({guide[i].cycle, amount});
        capacities = std::move(rest);
        missing -= amount;
        guide = std::move(next);
        advanced = true;
      }
      if (!advanced) break;
    }
    if (missing > tiny * unit_) filled.insert(filled.end(), guide.begin(), guide.end());
    return filled.size() > most ? std::vector<PackedCycle>{} : filled;
  }

  // Fills these cycles one after the other.
  std::vector<PackedCycle> filled(const std::vector<std::vector<int>>& cycles, std::size_t most) const {
    std::vector<PackedCycle> filled;
    auto capacities = problem_.capacities;
    for (std::size_t c = 1; c < cycles.size() && filled.size() < most; ++c) {  // the first is not one of the offers
      const auto column = column_of(cycles[c], 0);
      const auto amount = room(column, capacities);
      if (amount == 0) continue;
      take(column, amount, capacities);
      filled.push_back({cycles[c], amount});
    }
    return filled;
  }

  // Fills cycles that happen to fit, by random preferences.
  std::vector<PackedCycle> greedy(std::uint64_t seed, std::size_t most) const {
    std::mt19937_64 random(seed);
    std::vector<PackedCycle> filled;
    auto capacities = problem_.capacities;
    while (filled.size() < most) {
      std::vector<double> prices(capacities.size());
      for (auto& price : prices) price = static_cast<double>(random() >> 40) * 1e-9;
      auto cycle = cheapest_cycle(costs(prices, capacities));
      if (!cycle) break;
      const auto column = column_of(*cycle, 0);
      const auto amount = room(column, capacities);
      if (amount == 0) break;
      take(column, amount, capacities);
      filled.push_back({*std::move(cycle), amount});
    }
    return filled;
  }

  const RingProblem& problem_;
  int n_;
  double unit_;
  int searches_;       // for cycles by random preferences
  int searches_left_;  // by prices
  double longest_ = 1;
  double bound_ = 0;                            // no packing carries more
  std::vector<std::vector<std::size_t>> hops_;  // from * n + to, of some thousand members at most
  mutable std::vector<std::size_t> hop_at_hand_;
  std::vector<std::vector<int>> cycles_;
  std::vector<Column> columns_;
};

}  // namespace

std::vector<PackedCycle> pack_cycles(const RingProblem& problem, const std::vector<int>& first, std::size_t most) {
  auto packed = CyclePacker{problem, first}.best(most);
  std::ranges::stable_sort(packed, std::ranges::greater{}, &PackedCycle::amount);
  return packed;
}

}  // namespace p2plab
