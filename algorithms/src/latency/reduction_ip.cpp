// SPDX-License-Identifier: Apache-2.0
#include "latency/reduction_ip.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace p2plab {

namespace {

using Term = LinearProgram::Term;

// Columns: the rounds of each step; 1, or for all chunks taken together their number; by chunk and step, is a transfer made; by chunk, sender,
// transfer and step, does the sender's data come by it.
class SumProgram {
 public:
  SumProgram(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, const SumQuestion& question)
      : model_(model), members_(members), symmetry_(symmetry), question_(question) {
    find_orbits();
    list_columns();
  }

  int columns() const { return columns_; }

  SumAnswer find(const StepEffort& effort) {
    build();
    BranchAndBound branching(*program_, columns_, question_.steps, {});
    branching.stop_when(effort.stop);
    for (int column = 0; column < columns_; ++column) branching.bound(column, 0, 1);
    branching.bound(amount(), 1, 1);
    bound_rounds(branching);
    SumAnswer found{branching.solve(), {}};
    if (found.answer != SearchAnswer::found) return found;
    found.answer = branching.search(effort.nodes, [&] {
      auto plan = read();
      const bool done = plan.has_value();
      if (done) found.plan = *std::move(plan);
      return done;
    });
    // Fractional solutions can be made symmetric by averaging, integral ones cannot: under symmetry this proves nothing.
    if (found.answer == SearchAnswer::impossible && symmetry_.size() > 1) found.answer = SearchAnswer::unknown;
    return found;
  }

  // The most of one chunk that stands for all.
  std::optional<double> most(const StepEffort& effort) {
    build();
    BranchAndBound branching(*program_, columns_, question_.steps, {});
    branching.stop_when(effort.stop);
    for (int column = 0; column < columns_; ++column) branching.bound(column, 0, LinearProgram::unbounded);
    bound_rounds(branching);
    return branching.solve() == SearchAnswer::found ? std::optional{program_->value(amount())} : std::nullopt;
  }

 private:
  int amount() const { return question_.steps; }
  void bound_rounds(BranchAndBound& branching) const {
    for (int step = 0; step < question_.steps; ++step) branching.bound(step, 1, question_.rounds - question_.steps + 1);
  }
  bool member(int rank) const { return std::ranges::find(members_, Rank{rank}) != members_.end(); }
  int transfer(int chunk, int step, std::size_t arc) const { return amount() + 1 + (chunk * question_.steps + step) * orbits_ + orbit_[arc]; }

  // Transfers that the symmetry maps onto each other are made together; of senders one stands for its images.
  void find_orbits() {
    orbit_.assign(model_.arcs.size(), -1);
    for (std::size_t a = 0; a < orbit_.size(); ++a) {
      if (orbit_[a] >= 0 || !member(model_.arcs[a].from) || !member(model_.arcs[a].to)) continue;
      for (const auto& each : symmetry_) orbit_[static_cast<std::size_t>(each.arc[a])] = orbits_;
      ++orbits_;
    }
    std::set<int> covered;
    for (const auto rank : members_) {
      if (covered.contains(rank.value)) continue;
      for (const auto& each : symmetry_) covered.insert(each.rank[rank.index()]);
      senders_.push_back(rank.value);
    }
  }

  void list_columns() {
    columns_ = amount() + 1 + question_.chunks * question_.steps * orbits_;
    for (int c = 0; c < question_.chunks; ++c) {
      for (const auto sender : senders_) {
        for (std::size_t a = 0; a < orbit_.size(); ++a) {
          const auto away = model_.distance[static_cast<std::size_t>(sender)][static_cast<std::size_t>(model_.arcs[a].from)];
          for (int step = std::max(away, 0); orbit_[a] >= 0 && away >= 0 && model_.arcs[a].to != sender && step < question_.steps; ++step)
            carries_.push_back({c, sender, static_cast<int>(a), step, columns_++});
        }
      }
    }
  }

  void build() {
    std::vector<double> objective(static_cast<std::size_t>(columns_));
    objective[static_cast<std::size_t>(amount())] = 1;
    const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
    program_ = std::make_unique<LinearProgram>(objective, upper);
    std::vector<Term> rounds;
    for (int step = 0; step < question_.steps; ++step) rounds.push_back({step, 1});
    program_->add_row(question_.steps, rounds, question_.rounds);
    add_capacities();
    for (int c = 0; c < question_.chunks; ++c) add_counts(c);
    add_ways();
  }

  void add_capacities() {
    for (std::size_t r = 0; r < model_.capacity.size(); ++r) {
      for (int step = 0; step < question_.steps; ++step) {
        std::map<int, double> sum{{step, -static_cast<double>(model_.capacity[r])}};
        for (std::size_t a = 0; a < orbit_.size(); ++a) {
          const auto times = std::ranges::count(model_.arcs[a].resources, static_cast<int>(r));
          for (int c = 0; c < question_.chunks && times > 0 && orbit_[a] >= 0; ++c) sum[transfer(c, step, a)] += static_cast<double>(times);
        }
        program_->add_row(-LinearProgram::unbounded, terms_of(sum), 0);
      }
    }
  }

  static std::vector<Term> terms_of(const std::map<int, double>& row) {
    std::vector<Term> terms;
    for (const auto& [column, factor] : row) terms.push_back({column, factor});
    return terms;
  }

  // So many one-way messages it takes until everyone knows everything.
  void add_counts(int chunk) {
    std::map<int, double> all;
    for (std::size_t a = 0; a < orbit_.size(); ++a) {
      for (int step = 0; step < question_.steps && orbit_[a] >= 0; ++step) all[transfer(chunk, step, a)] += 1;
    }
    all[amount()] = -2.0 * (static_cast<double>(members_.size()) - 1);
    program_->add_row(0, terms_of(all), LinearProgram::unbounded);
  }

  // From each sender to every other member; what goes on has come before, and comes only by transfers that are made.
  void add_ways() {
    std::map<std::tuple<int, int, int>, std::vector<const Carry*>> into;  // by chunk, sender, receiver
    for (const auto& carry : carries_) into[{carry.chunk, carry.sender, model_.arcs[static_cast<std::size_t>(carry.arc)].to}].push_back(&carry);
    for (int c = 0; c < question_.chunks; ++c) {
      for (const auto sender : senders_) {
        for (const auto receiver : members_) {
          if (receiver.value == sender) continue;
          std::vector<Term> row{{amount(), -1}};
          for (const auto* carry : into[{c, sender, receiver.value}]) row.push_back({carry->column, 1});
          program_->add_row(0, row, LinearProgram::unbounded);
        }
      }
    }
    for (const auto& carry : carries_) {
      const auto& arc = model_.arcs[static_cast<std::size_t>(carry.arc)];
      program_->add_row(-LinearProgram::unbounded,
                        std::vector<Term>{{carry.column, 1}, {transfer(carry.chunk, carry.step, static_cast<std::size_t>(carry.arc)), -1}}, 0);
      if (arc.from == carry.sender) continue;
      std::vector<Term> row{{carry.column, 1}};
      for (const auto* before : into[{carry.chunk, carry.sender, arc.from}]) {
        if (before->step < carry.step) row.push_back({before->column, -1});
      }
      program_->add_row(-LinearProgram::unbounded, row, 0);
    }
  }

  std::optional<SumPlan> read() const {
    SumPlan plan{{}, std::vector<std::vector<StepHop>>(static_cast<std::size_t>(question_.chunks))};
    std::vector<StepItem> items;
    for (int c = 0; c < question_.chunks; ++c) {
      auto& hops = plan.chunks[static_cast<std::size_t>(c)];
      for (int step = 0; step < question_.steps; ++step) {
        for (std::size_t a = 0; a < orbit_.size(); ++a) {
          if (orbit_[a] >= 0 && program_->value(transfer(c, step, a)) > 0.5) hops.push_back({step + 1, model_.arcs[a].from, model_.arcs[a].to});
        }
      }
      if (!parts_of(hops, members_, model_.ranks)) return std::nullopt;
      items.push_back({0, -1, hops});
    }
    plan.rounds = rounds_needed(model_, items, question_.steps);
    return plan;
  }

  struct Carry {
    int chunk = 0;
    int sender = 0;
    int arc = 0;
    int step = 0;
    int column = 0;
  };
  const StepModel& model_;
  std::span<const Rank> members_;
  std::span<const Renumbering> symmetry_;
  SumQuestion question_;
  std::vector<int> orbit_;  // by arc; -1: not between members
  int orbits_ = 0;
  int columns_ = 0;
  std::vector<int> senders_;
  std::vector<Carry> carries_;
  std::unique_ptr<LinearProgram> program_;
};

// The group, parts of it that one of its members generates, few of each size, and the identity alone; larger ones first.
std::vector<std::vector<Renumbering>> subgroups(std::span<const Renumbering> group) {
  constexpr std::size_t most_of_a_size = 3;
  std::map<std::size_t, std::set<std::set<std::size_t>>, std::greater<>> by_size;
  for (const auto& start : group) {
    std::set<std::size_t> members{0};
    for (auto rank = start.rank; rank != group.front().rank;) {
      const auto at = std::ranges::find(group, rank, &Renumbering::rank);
      if (at == group.end()) break;
      members.insert(static_cast<std::size_t>(at - group.begin()));
      for (auto& r : rank) r = start.rank[static_cast<std::size_t>(r)];
    }
    if (auto& alike = by_size[members.size()]; alike.size() < most_of_a_size) alike.insert(members);
  }
  std::vector<std::vector<Renumbering>> all{{group.begin(), group.end()}};
  for (const auto& [size, alike] : by_size) {
    if (size == group.size()) continue;
    for (const auto& members : alike) {
      auto& subgroup = all.emplace_back();
      for (const auto i : members) subgroup.push_back(group[i]);
    }
  }
  return all;
}

}  // namespace

SumAnswer travelling_sum(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, const SumQuestion& question,
                         const StepEffort& effort, double& work) {
  if (symmetry.empty() || question.rounds < question.steps) return {};
  for (const auto& group : subgroups(symmetry)) {
    SumProgram program(model, members, group, question);
    if (static_cast<std::size_t>(program.columns()) > effort.most_columns || work <= 0) continue;
    auto found = program.find(effort);
    work -= static_cast<double>(program.columns()) * (found.answer == SearchAnswer::unknown ? effort.nodes : 1);
    if (found.answer != SearchAnswer::unknown) return found;
  }
  return {};
}

std::optional<double> most_sums(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, int steps, int rounds,
                                const StepEffort& effort) {
  if (symmetry.empty()) return std::nullopt;
  if (rounds < steps) return 0;
  SumProgram program(model, members, symmetry, {.chunks = 1, .steps = steps, .rounds = rounds});
  if (static_cast<std::size_t>(program.columns()) > effort.most_columns) return std::nullopt;
  return program.most(effort);
}

}  // namespace p2plab
