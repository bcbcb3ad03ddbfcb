// SPDX-License-Identifier: Apache-2.0
#include "latency/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "latency/greedy.h"

namespace p2plab {

namespace {

constexpr double tolerance = 1e-6;
constexpr int most_symmetric_ranks = 16;

}  // namespace

StepSearch::StepSearch(const StepModel& model, const StepTask& task, StepEffort effort)
    : model_(model), task_(task), effort_(std::move(effort)), least_(p2plab::least_steps(model, task)) {
  if (effort_.nodes > 0 && model.ranks <= most_symmetric_ranks) symmetry_ = free_symmetry(model, task);
}

// None if it would be too large.
StepProgram* StepSearch::program(const ProgramSize& size) {
  if (symmetry_.empty()) return nullptr;
  const auto group = size.alike ? symmetry_.size() : 1;
  if (model_.arcs.size() * static_cast<std::size_t>(model_.ranks * size.steps * size.pieces) / group > 8 * effort_.most_columns) return nullptr;
  auto& program = programs_[size];
  if (!program) {
    program = std::make_unique<StepProgram>(model_, task_, size.alike ? symmetry_ : std::vector{symmetry_.front()}, size.steps, size.pieces);
    program->stop_when(effort_.stop);
  }
  return program->columns() <= effort_.most_columns ? program.get() : nullptr;
}

SearchAnswer StepSearch::look(int chunks, int steps, int rounds, StepPlan& plan) {
  for (const int pieces : {1, chunks}) {
    for (const bool alike : {true, false}) {
      const bool differs = (alike || symmetry_.size() > 1) && (pieces == 1 || task_.copies);
      auto* found = differs ? program({steps, alike, pieces}) : nullptr;
      if (found == nullptr || stopped()) continue;
      const auto answer = found->find(chunks, rounds, effort_.nodes);
      if (answer == SearchAnswer::found) plan = found->plan();
      if (answer != SearchAnswer::unknown) return answer;
    }
    if (chunks == 1) break;
  }
  return SearchAnswer::unknown;
}

std::optional<double> StepSearch::most_chunks(int steps, int rounds) {
  auto* whole = program({.steps = steps});
  return whole == nullptr ? std::nullopt : whole->most_chunks(rounds);
}

std::optional<StepPoint> StepSearch::fewest_rounds(int chunks, int steps) {
  auto quick = quick_plan(model_, task_, chunks, steps);
  if (!quick) return std::nullopt;
  StepPoint point{*std::move(quick), false};
  const int known = point.plan.total_rounds();
  bool proved = program({.steps = steps}) != nullptr;
  for (int rounds = std::max(steps, 1); rounds < known; ++rounds) {
    const auto most = most_chunks(steps, rounds);
    if (most && *most < chunks - tolerance) continue;
    StepPlan plan;
    const auto answer = most ? look(chunks, steps, rounds, plan) : SearchAnswer::unknown;
    if (answer == SearchAnswer::found) return StepPoint{std::move(plan), proved};
    if (answer == SearchAnswer::unknown) proved = false;
    if (!most) break;
  }
  point.proved = proved || known <= steps;
  return point;
}

std::vector<StepPoint> StepSearch::frontier(int most_chunks_asked, int most_steps, double least_ratio) {
  std::vector<StepPoint> points;
  best_ratio_ = std::numeric_limits<double>::infinity();
  for (int steps = std::max(least_, 1); least_ >= 0 && steps <= most_steps; ++steps) {
    if (program({.steps = steps}) == nullptr || stopped()) {
      quick_points(points, most_chunks_asked, steps);
      continue;
    }
    // The quick plan of one chunk is there in any case, so the search ends.
    const auto quick = quick_plan(model_, task_, 1, steps);
    const int last = quick->total_rounds();
    for (int rounds = steps;; ++rounds) {
      if (rounds >= best_ratio_ * most_chunks_asked * (1 - tolerance) || best_ratio_ <= least_ratio * (1 + tolerance)) break;
      if (rounds > last && stopped()) break;
      if (!stopped()) {
        if (auto point = most_in(steps, rounds, most_chunks_asked)) points.push_back(*std::move(point));
      }
      if (rounds == last && last < best_ratio_ * (1 - tolerance)) {
        best_ratio_ = last;
        points.push_back({*quick, false});
      }
    }
  }
  return points;
}

// The most chunks in so many steps and rounds, if that is better than what is known.
std::optional<StepPoint> StepSearch::most_in(int steps, int rounds, int most_chunks_asked) {
  const auto bound = most_chunks(steps, rounds);
  if (!bound) return std::nullopt;
  bool proved = true;
  for (int chunks = std::min(most_chunks_asked, static_cast<int>(std::floor(*bound + tolerance))); chunks > 0; --chunks) {
    if (rounds >= best_ratio_ * chunks * (1 - tolerance)) break;
    StepPlan plan;
    const auto answer = look(chunks, steps, rounds, plan);
    if (answer == SearchAnswer::found) {
      best_ratio_ = static_cast<double>(rounds) / chunks;
      return StepPoint{std::move(plan), proved};
    }
    proved = proved && answer == SearchAnswer::impossible;
  }
  return std::nullopt;
}

void StepSearch::quick_points(std::vector<StepPoint>& points, int most_chunks_asked, int steps) {
  for (int chunks = 1; chunks <= (stopped() ? 1 : most_chunks_asked); ++chunks) {
    auto plan = quick_plan(model_, task_, chunks, steps);
    const double ratio = static_cast<double>(plan->total_rounds()) / chunks;
    if (ratio >= best_ratio_ * (1 - tolerance)) continue;
    best_ratio_ = ratio;
    points.push_back({*std::move(plan), false});
  }
}

}  // namespace p2plab
