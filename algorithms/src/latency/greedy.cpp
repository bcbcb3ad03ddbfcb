// SPDX-License-Identifier: Apache-2.0
#include "latency/greedy.h"

#include <algorithm>
#include <cmath>

namespace p2plab {

namespace {

// A chunk that a rank still waits for.
struct Demand {
  std::size_t item = 0;
  int receiver = 0;
  int distance = 0;  // from the nearest rank that has it
};

// One run with a limit on the rounds of each step.
class LimitedRun {
 public:
  LimitedRun(const StepModel& model, const StepTask& task, int chunks, int most_rounds) : model_(model), most_rounds_(most_rounds) {
    const auto n = static_cast<std::size_t>(model.ranks);
    for (std::size_t s = 0; s < n; ++s) {
      for (int c = 0; c < chunks; ++c) {
        if (!task.copies) {
          for (std::size_t r = 0; r < n; ++r) {
            for (int k = 0; k < task.wanted[s][r]; ++k) add_item(static_cast<int>(s), static_cast<int>(r));
          }
        } else if (std::ranges::any_of(task.wanted[s], [](int w) { return w > 0; })) {
          add_item(static_cast<int>(s), -1);
        }
      }
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
      for (int r = 0; r < model.ranks; ++r) {
        const auto sender = static_cast<std::size_t>(items_[i].sender);
        const bool wants = items_[i].receiver >= 0 ? items_[i].receiver == r : task.wanted[sender][static_cast<std::size_t>(r)] > 0;
        if (wants) demands_.push_back({i, r, model.distance[sender][static_cast<std::size_t>(r)]});
      }
    }
  }

  // Ends when nothing is wanted any more, or after `steps`.
  std::optional<StepPlan> run(int steps, int chunks) {
    StepPlan plan{.chunks = chunks, .rounds = {}, .items = {}};
    used_ever_.assign(model_.capacity.size(), 0);
    while (!demands_.empty()) {
      if (static_cast<int>(plan.rounds.size()) == steps) return std::nullopt;
      plan.rounds.push_back(0);
      step(static_cast<int>(plan.rounds.size()));
    }
    plan.rounds = rounds_needed(model_, items_, static_cast<int>(plan.rounds.size()));
    plan.items = std::move(items_);
    return plan;
  }

 private:
  void add_item(int sender, int receiver) {
    items_.push_back({sender, receiver, {}});
    holders_.push_back({sender});
    has_.emplace_back(static_cast<std::size_t>(model_.ranks));
    has_.back()[static_cast<std::size_t>(sender)] = true;
  }

  int distance(int from, int to) const { return model_.distance[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)]; }

  void step(int number) {
    used_now_.assign(model_.capacity.size(), 0);
    held_ = {};
    for (const auto& holders : holders_) held_.push_back(holders.size());
    // Those who are farthest from what they want come first.
    std::ranges::stable_sort(demands_, std::greater<>{}, &Demand::distance);
    for (const auto& demand : demands_) {
      if (auto arc = best_hop(demand)) take(*arc, demand.item, number);
    }
    for (auto& demand : demands_) {
      for (const int holder : holders_[demand.item]) {
        const int away = distance(holder, demand.receiver);
        if (away >= 0) demand.distance = std::min(demand.distance, away);
      }
    }
    std::erase_if(demands_, [](const Demand& d) { return d.distance == 0; });
  }

  // The transfer that brings the chunk nearer; none if it is under way already, or nothing is free.
  std::optional<int> best_hop(const Demand& demand) const {
    std::optional<int> best;
    double least = 0;
    const auto& holders = holders_[demand.item];
    for (std::size_t h = 0; h < holders.size(); ++h) {
      const bool moved_now = h >= held_[demand.item];
      if (moved_now && distance(holders[h], demand.receiver) == demand.distance - 1) return std::nullopt;
      if (moved_now || distance(holders[h], demand.receiver) != demand.distance) continue;
      for (const int a : model_.out[static_cast<std::size_t>(holders[h])]) {
        const auto& arc = model_.arcs[static_cast<std::size_t>(a)];
        if (distance(arc.to, demand.receiver) != demand.distance - 1 || !free(arc)) continue;
        const double cost = load_after(arc);
        if (best && cost >= least) continue;
        best = a;
        least = cost;
      }
    }
    return best;
  }

  bool free(const StepArc& arc) const {
    return std::ranges::all_of(arc.resources, [&](int r) {
      return used_now_[static_cast<std::size_t>(r)] < static_cast<std::int64_t>(model_.capacity[static_cast<std::size_t>(r)]) * most_rounds_;
    });
  }

  // How full the fullest resource becomes, now and over all steps.
  double load_after(const StepArc& arc) const {
    double most = 0;
    for (const int r : arc.resources) {
      const auto i = static_cast<std::size_t>(r);
      most =
          std::max(most, static_cast<double>(used_now_[i] + 1) / model_.capacity[i] + static_cast<double>(used_ever_[i]) / model_.capacity[i] * 1e-3);
    }
    return most;
  }

  void take(int number_of_arc, std::size_t item, int step) {
    const auto& arc = model_.arcs[static_cast<std::size_t>(number_of_arc)];
    for (const int r : arc.resources) {
      ++used_now_[static_cast<std::size_t>(r)];
      ++used_ever_[static_cast<std::size_t>(r)];
    }
    items_[item].hops.push_back({step, arc.from, arc.to});
    if (has_[item][static_cast<std::size_t>(arc.to)]) return;
    has_[item][static_cast<std::size_t>(arc.to)] = true;
    holders_[item].push_back(arc.to);
  }

  const StepModel& model_;
  std::int64_t most_rounds_;
  std::vector<StepItem> items_;
  std::vector<Demand> demands_;
  std::vector<std::vector<int>> holders_;  // by item, in order of arrival
  std::vector<std::vector<bool>> has_;
  std::vector<std::size_t> held_;  // holders before the step at hand
  std::vector<std::int64_t> used_now_, used_ever_;
};

}  // namespace

std::optional<StepPlan> quick_plan(const StepModel& model, const StepTask& task, int chunks, int steps) {
  const int least = least_steps(model, task);
  if (least < 0 || steps < least) return std::nullopt;
  constexpr int no_limit = 1 << 20;
  auto best = LimitedRun(model, task, chunks, no_limit).run(steps, chunks);
  if (!best || best->rounds.empty()) return best;
  // Fewer rounds a step need more steps; the least that still ends in time, by halving.
  int fails = 0;
  int works = *std::ranges::max_element(best->rounds);
  while (works - fails > 1) {
    const int middle = (works + fails) / 2;
    auto plan = LimitedRun(model, task, chunks, middle).run(steps, chunks);
    (plan ? works : fails) = middle;
    if (plan && plan->total_rounds() <= best->total_rounds()) best = std::move(plan);
  }
  return best;
}

}  // namespace p2plab
