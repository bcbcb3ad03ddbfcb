// SPDX-License-Identifier: Apache-2.0
#include "latency/step_ip.h"

#include <algorithm>
#include <cmath>

#include "p2plab/detail/max_flow.h"

namespace p2plab {

namespace {

using Term = LinearProgram::Term;

constexpr double scale = 1 << 20;  // of capacities in cut flows
constexpr double violated = 1e-4;  // a cut that lacks so much is added
constexpr double most_chunks_ever = 1 << 16;

}  // namespace

StepProgram::StepProgram(const StepModel& model, const StepTask& task, std::vector<Renumbering> symmetry, int steps, int pieces)
    : model_(model), task_(task), symmetry_(std::move(symmetry)), steps_(steps), pieces_(pieces) {
  list_uses();
  const auto columns = static_cast<std::size_t>(use_column(uses_.size()));
  std::vector<double> objective(columns);
  objective[0] = 1;
  const std::vector<double> upper(columns, most_chunks_ever);
  program_ = std::make_unique<LinearProgram>(objective, upper);
  // Rounds are made whole first: they decide most.
  branching_ = std::make_unique<BranchAndBound>(*program_, static_cast<int>(columns), use_column(0), [this] { return task_.copies && add_cuts(); });
  add_capacities();
  for (std::size_t g = 0; g < senders_.size(); ++g) task_.copies ? add_tree_rows(g) : add_flow_rows(g);
}

// A transfer helps if the sender's data can be there before, and some receiver within reach after it.
bool StepProgram::useful(int sender, const StepArc& arc, int step) const {
  const auto from = model_.distance[static_cast<std::size_t>(sender)][static_cast<std::size_t>(arc.from)];
  if (from < 0 || from >= step || arc.to == sender) return false;
  const auto& wanted = task_.wanted[static_cast<std::size_t>(sender)];
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    const auto ahead = model_.distance[static_cast<std::size_t>(arc.to)][r];
    if (wanted[r] > 0 && ahead >= 0 && ahead <= steps_ - step) return true;
  }
  return false;
}

void StepProgram::list_uses() {
  std::vector<bool> covered(static_cast<std::size_t>(model_.ranks));
  for (int s = 0; s < model_.ranks; ++s) {
    const auto& wanted = task_.wanted[static_cast<std::size_t>(s)];
    if (covered[static_cast<std::size_t>(s)] || std::ranges::all_of(wanted, [](int w) { return w == 0; })) continue;
    for (const auto& member : symmetry_) covered[static_cast<std::size_t>(member.rank[static_cast<std::size_t>(s)])] = true;
    for (int piece = 0; piece < pieces_; ++piece) {
      for (std::size_t a = 0; a < model_.arcs.size(); ++a) {
        for (int t = 1; t <= steps_; ++t) {
          if (useful(s, model_.arcs[a], t)) uses_.push_back({senders_.size(), static_cast<int>(a), t});
        }
      }
      senders_.push_back(s);
    }
  }
}

// By arc: how often its use, and the images of that, take this resource.
std::map<int, double> StepProgram::times_taken(std::size_t resource) const {
  std::map<int, double> times;
  for (const auto& member : symmetry_) {
    const auto image = member.resource[resource];
    for (std::size_t a = 0; a < model_.arcs.size(); ++a) {
      const auto taken = std::ranges::count(model_.arcs[a].resources, image);
      if (taken > 0) times[static_cast<int>(a)] += static_cast<double>(taken);
    }
  }
  return times;
}

// Over all senders, images included, a resource carries in a step what its capacity allows for the step's rounds; alike resources have one row.
void StepProgram::add_capacities() {
  std::vector<bool> covered(model_.capacity.size());
  for (std::size_t r = 0; r < covered.size(); ++r) {
    if (covered[r]) continue;
    for (const auto& member : symmetry_) covered[static_cast<std::size_t>(member.resource[r])] = true;
    const auto times = times_taken(r);
    for (int t = 1; t <= steps_; ++t) {
      std::vector<Term> row{{rounds_column(t), -static_cast<double>(model_.capacity[r])}};
      for (std::size_t u = 0; u < uses_.size(); ++u) {
        const auto found = uses_[u].step == t ? times.find(uses_[u].arc) : times.end();
        if (found != times.end()) row.push_back({use_column(u), found->second});
      }
      program_->add_row(-LinearProgram::unbounded, row, 0);
    }
  }
  std::vector<Term> sum{{all_rounds_column(), -1}};
  for (int t = 1; t <= steps_; ++t) sum.push_back({rounds_column(t), 1});
  program_->add_row(-LinearProgram::unbounded, sum, 0);
}

// Every receiver gets each chunk once; what a rank sends to another it has got before.
void StepProgram::add_tree_rows(std::size_t sender) {
  const int source = senders_[sender];
  std::vector<std::vector<Term>> into(static_cast<std::size_t>(model_.ranks));
  for (std::size_t u = 0; u < uses_.size(); ++u) {
    if (uses_[u].sender == sender) into[static_cast<std::size_t>(arc(uses_[u]).to)].push_back({use_column(u), 1});
  }
  for (int r = 0; r < model_.ranks; ++r) {
    if (r == source) continue;
    auto row = into[static_cast<std::size_t>(r)];
    const bool receiver = task_.wanted[static_cast<std::size_t>(source)][static_cast<std::size_t>(r)] > 0;
    if (row.empty() && !receiver) continue;
    row.push_back({0, -1});
    program_->add_row(receiver ? 0 : -LinearProgram::unbounded, row, 0);
  }
  for (std::size_t u = 0; u < uses_.size(); ++u) {
    if (uses_[u].sender != sender || arc(uses_[u]).from == source) continue;
    std::vector<Term> row{{use_column(u), 1}};
    for (const auto& term : into[static_cast<std::size_t>(arc(uses_[u]).from)]) {
      if (uses_[static_cast<std::size_t>(term.index - use_column(0))].step < uses_[u].step) row.push_back({term.index, -1});
    }
    program_->add_row(-LinearProgram::unbounded, row, 0);
  }
}

// What a rank has sent by a step, less what it had got before it.
std::vector<LinearProgram::Term> StepProgram::sent_less_got(std::size_t sender, int rank, int step) const {
  std::vector<Term> row;
  for (std::size_t u = 0; u < uses_.size(); ++u) {
    if (uses_[u].sender != sender) continue;
    if (arc(uses_[u]).to == rank && uses_[u].step < step) row.push_back({use_column(u), -1});
    if (arc(uses_[u]).from == rank && uses_[u].step <= step) row.push_back({use_column(u), 1});
  }
  return row;
}

// What a rank has sent by a step it had got before it; in the end it keeps what it wants.
void StepProgram::add_flow_rows(std::size_t sender) {
  const int source = senders_[sender];
  for (int r = 0; r < model_.ranks; ++r) {
    if (r == source) continue;
    const auto wanted = task_.wanted[static_cast<std::size_t>(source)][static_cast<std::size_t>(r)];
    for (int t = 2; t <= steps_ + 1; ++t) {
      auto row = sent_less_got(sender, r, t);
      const bool last = t > steps_;
      if (last && wanted > 0) row.push_back({0, static_cast<double>(wanted)});
      if (!row.empty()) program_->add_row(last ? 0 : -LinearProgram::unbounded, row, 0);
    }
  }
}

void StepProgram::ask(double least_chunks, double most_chunks, int rounds) {
  for (std::size_t u = 0; u < uses_.size(); ++u) branching_->bound(use_column(u), 0, most_chunks_ever);
  branching_->bound(0, least_chunks, most_chunks);
  for (int t = 1; t <= steps_; ++t) branching_->bound(rounds_column(t), 1, rounds - steps_ + 1);  // each other step has at least one round
  branching_->bound(all_rounds_column(), 0, rounds);
}

std::optional<double> StepProgram::most_chunks(int rounds) {
  if (rounds < steps_) return 0;
  ask(0, most_chunks_ever, rounds);
  const auto solved = branching_->solve();
  if (solved == SearchAnswer::impossible) return 0;
  return solved == SearchAnswer::found ? std::optional{program_->value(0)} : std::nullopt;
}

SearchAnswer StepProgram::find(int chunks, int rounds, int nodes) {
  if (rounds < steps_) return SearchAnswer::impossible;
  expects(chunks % pieces_ == 0);
  chunks_ = chunks / pieces_;
  ask(chunks_, chunks_, rounds);
  const auto root = branching_->solve();
  if (root != SearchAnswer::found) return root;
  const auto answer = branching_->search(nodes, [this] { return extract(); });
  return answer == SearchAnswer::impossible && symmetry_.size() > 1 ? SearchAnswer::unknown : answer;
}

bool StepProgram::add_cuts() {
  bool added = false;
  for (std::size_t g = 0; g < senders_.size(); ++g) added = add_cuts_of(g) || added;
  return added;
}

// To each receiver alone, all chunks must be able to flow through ranks and steps; where they are not, the uses across the cut are too few.
bool StepProgram::add_cuts_of(std::size_t sender) {
  const int n = model_.ranks;
  const int source = senders_[sender];
  const auto chunks = program_->value(0) * scale;
  MaxFlow<std::int64_t> flow((steps_ + 1) * n);
  std::vector<std::size_t> mine;
  for (std::size_t u = 0; u < uses_.size(); ++u) {
    if (uses_[u].sender != sender) continue;
    mine.push_back(u);
    const auto amount = std::max<std::int64_t>(0, std::llround(program_->value(use_column(u)) * scale));
    flow.add_arc((uses_[u].step - 1) * n + arc(uses_[u]).from, uses_[u].step * n + arc(uses_[u]).to, amount);
  }
  const auto limit = std::llround(chunks);
  for (int r = 0; r < n; ++r) {
    for (int t = 0; t < steps_; ++t) flow.add_arc(t * n + r, (t + 1) * n + r, limit + 1);
  }
  bool added = false;
  for (int r = 0; r < n; ++r) {
    if (task_.wanted[static_cast<std::size_t>(source)][static_cast<std::size_t>(r)] == 0) continue;
    if (static_cast<double>(flow.run(source, steps_ * n + r, limit)) >= chunks - violated * scale) continue;
    std::vector<Term> row{{0, -1}};
    for (const auto u : mine) {
      const int from = (uses_[u].step - 1) * n + arc(uses_[u]).from;
      const int to = uses_[u].step * n + arc(uses_[u]).to;
      if (flow.on_source_side(from) && !flow.on_source_side(to)) row.push_back({use_column(u), 1});
    }
    program_->add_row(0, row, LinearProgram::unbounded);
    added = true;
  }
  return added;
}

std::vector<StepUse> StepProgram::uses_of(std::size_t sender) const {
  std::vector<StepUse> result;
  for (std::size_t u = 0; u < uses_.size(); ++u) {
    const auto count = static_cast<int>(std::llround(program_->value(use_column(u))));
    if (uses_[u].sender == sender && count > 0) result.push_back({uses_[u].arc, uses_[u].step, count});
  }
  return result;
}

// Whole numbers become chunks with their ways, and those the ways of all images.
bool StepProgram::extract() {
  plan_ = {.chunks = chunks_ * pieces_, .rounds = {}, .items = {}};
  for (std::size_t g = 0; g < senders_.size(); ++g) {
    const auto uses = uses_of(g);
    std::vector<StepItem> items;
    if (task_.copies) {
      auto trees = trees_of(model_, task_, senders_[g], uses, chunks_);
      if (!trees) return false;
      items = *std::move(trees);
    } else {
      items = paths_of(model_, task_, senders_[g], uses, chunks_);
    }
    for (const auto& member : symmetry_) {
      const auto image = [&](int rank) { return rank < 0 ? rank : member.rank[static_cast<std::size_t>(rank)]; };
      for (const auto& item : items) {
        StepItem copy{image(item.sender), image(item.receiver), {}};
        for (const auto& hop : item.hops) copy.hops.push_back({hop.step, image(hop.from), image(hop.to)});
        plan_.items.push_back(std::move(copy));
      }
    }
  }
  plan_.rounds = rounds_needed(model_, plan_.items, steps_);
  return true;
}

}  // namespace p2plab
