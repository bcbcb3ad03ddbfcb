#include "latency_sum.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace p2plab {

namespace {

using Term = LinearProgram::Term;

// Columns: the rounds of the two steps; by chunk and step, is a transfer made; by chunk and pair of ranks, does the way over a relay exist.
class SumProgram {
 public:
  SumProgram(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, int chunks)
      : model_(model), members_(members), symmetry_(symmetry), chunks_(chunks) {
    find_orbits();
    list_columns();
    const std::vector<double> objective(static_cast<std::size_t>(columns_));
    const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
    program_ = std::make_unique<LinearProgram>(objective, upper);
    add_capacities();
    for (int c = 0; c < chunks_; ++c) add_ways(c);
  }

  int columns() const { return columns_; }

  std::optional<SumPlan> find(int rounds, const StepEffort& effort) {
    Branching branching(*program_, columns_, 2, {});
    branching.stop_when(effort.stop);
    for (int column = 0; column < columns_; ++column) branching.bound(column, 0, 1);
    for (const int step : {0, 1}) branching.bound(step, 1, rounds - 1);
    program_->add_row(2, std::vector<Term>{{0, 1}, {1, 1}}, rounds);
    if (branching.solve() != SearchAnswer::found) return std::nullopt;
    std::optional<SumPlan> plan;
    branching.search(effort.nodes, [&] { return plan = read(), true; });
    return plan;
  }

 private:
  bool member(int rank) const { return std::ranges::find(members_, Rank{rank}) != members_.end(); }
  int transfer(int chunk, int step, std::size_t arc) const { return 2 + (chunk * 2 + step) * orbits_ + orbit_[arc]; }

  // Transfers that the symmetry maps onto each other are made together.
  void find_orbits() {
    orbit_.assign(model_.arcs.size(), -1);
    for (std::size_t a = 0; a < orbit_.size(); ++a) {
      if (orbit_[a] >= 0 || !member(model_.arcs[a].from) || !member(model_.arcs[a].to)) continue;
      for (const auto& each : symmetry_) orbit_[static_cast<std::size_t>(each.arc[a])] = orbits_;
      ++orbits_;
    }
  }

  void list_columns() {
    columns_ = 2 + chunks_ * 2 * orbits_;
    for (int c = 0; c < chunks_; ++c) {
      for (std::size_t first = 0; first < orbit_.size(); ++first) {
        for (const int second : model_.out[static_cast<std::size_t>(model_.arcs[first].to)]) {
          const auto& last = model_.arcs[static_cast<std::size_t>(second)];
          if (orbit_[first] < 0 || orbit_[static_cast<std::size_t>(second)] < 0 || last.to == model_.arcs[first].from) continue;
          ways_[{c, model_.arcs[first].from, last.to}].push_back({static_cast<int>(first), second, columns_++});
        }
      }
    }
  }

  void add_capacities() {
    for (std::size_t r = 0; r < model_.capacity.size(); ++r) {
      for (const int step : {0, 1}) {
        std::map<int, double> sum{{step, -static_cast<double>(model_.capacity[r])}};
        for (std::size_t a = 0; a < orbit_.size(); ++a) {
          const auto times = std::ranges::count(model_.arcs[a].resources, static_cast<int>(r));
          for (int c = 0; c < chunks_ && times > 0 && orbit_[a] >= 0; ++c) sum[transfer(c, step, a)] += static_cast<double>(times);
        }
        std::vector<Term> row;
        for (const auto& [column, factor] : sum) row.push_back({column, factor});
        program_->add_row(-LinearProgram::unbounded, row, 0);
      }
    }
  }

  // From each member to each other one: directly in either step, or over a relay.
  void add_ways(int chunk) {
    std::map<std::pair<int, int>, std::map<int, double>> rows;
    for (const auto from : members_) {
      for (const auto to : members_) {
        if (from != to) rows[{from.value, to.value}];
      }
    }
    for (std::size_t a = 0; a < orbit_.size(); ++a) {
      if (orbit_[a] < 0) continue;
      for (const int step : {0, 1}) rows[{model_.arcs[a].from, model_.arcs[a].to}][transfer(chunk, step, a)] += 1;
    }
    for (auto& [pair, row] : rows) {
      for (const auto& [first, second, column] : ways_[{chunk, pair.first, pair.second}]) {
        row[column] += 1;
        program_->add_row(-LinearProgram::unbounded, std::vector<Term>{{column, 1}, {transfer(chunk, 0, static_cast<std::size_t>(first)), -1}}, 0);
        program_->add_row(-LinearProgram::unbounded, std::vector<Term>{{column, 1}, {transfer(chunk, 1, static_cast<std::size_t>(second)), -1}}, 0);
      }
      std::vector<Term> terms;
      for (const auto& [column, factor] : row) terms.push_back({column, factor});
      program_->add_row(1, terms, LinearProgram::unbounded);
    }
  }

  SumPlan read() const {
    SumPlan plan{{0, 0}, std::vector<std::vector<StepHop>>(static_cast<std::size_t>(chunks_))};
    std::vector<StepItem> items;
    for (int c = 0; c < chunks_; ++c) {
      auto& hops = plan.chunks[static_cast<std::size_t>(c)];
      for (const int step : {0, 1}) {
        for (std::size_t a = 0; a < orbit_.size(); ++a) {
          if (orbit_[a] >= 0 && program_->value(transfer(c, step, a)) > 0.5) hops.push_back({step + 1, model_.arcs[a].from, model_.arcs[a].to});
        }
      }
      items.push_back({0, -1, hops});
    }
    plan.rounds = rounds_needed(model_, items, 2);
    return plan;
  }

  struct Way {
    int first = 0;
    int second = 0;
    int column = 0;
  };
  const StepModel& model_;
  std::span<const Rank> members_;
  std::span<const Renumbering> symmetry_;
  int chunks_;
  std::vector<int> orbit_;  // by arc; -1: not between members
  int orbits_ = 0;
  int columns_ = 0;
  std::map<std::tuple<int, int, int>, std::vector<Way>> ways_;  // by chunk, giver, taker
  std::unique_ptr<LinearProgram> program_;
};

}  // namespace

std::optional<SumPlan> two_step_sum(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, int chunks,
                                    int rounds, const StepEffort& effort) {
  if (symmetry.empty() || rounds < 2) return std::nullopt;
  for (const auto group : {symmetry, symmetry.first(1)}) {
    SumProgram program(model, members, group, chunks);
    if (static_cast<std::size_t>(program.columns()) > 4 * effort.most_columns) continue;
    if (auto plan = program.find(rounds, effort)) return plan;
    if (symmetry.size() == 1) break;
  }
  return std::nullopt;
}

}  // namespace p2plab
