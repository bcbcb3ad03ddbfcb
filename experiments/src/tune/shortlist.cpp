// SPDX-License-Identifier: Apache-2.0
#include "tune/shortlist.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "bench/interleaved.h"
#include "p2plab/base/quantity.h"

namespace p2plab {

namespace {

constexpr double alike = 0.01;  // times that close are no reason to leave the plan that is predicted faster

std::string what_did_not_run(const std::string& name, const Error& error) { return fmt::format("{} was not timed: {}", name, error.message); }

// Programs that the model cannot tell apart are one, as a ring and a two-shot all-reduce between two GPUs are: timing both would leave no turn for a
// third that is not.
bool same_to_the_model(const Evaluation& a, const Evaluation& b) {
  const auto form = [](const Tuning& t) { return std::tuple{t.protocol, t.blocks_per_lane, t.slice, t.slices, t.lane_per_step}; };
  return a.prediction.time == b.prediction.time && form(a.program.tuning) == form(b.program.tuning);
}

}  // namespace

void Shortlist::add(const std::shared_ptr<const Evaluation>& evaluation) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(plans_, [&](const auto& known) { return same_to_the_model(*known, *evaluation); })) return;
  const auto slower = std::ranges::find_if(plans_, [&](const auto& known) { return known->prediction.time > evaluation->prediction.time; });
  plans_.insert(slower, evaluation);
  if (plans_.size() > most_) plans_.pop_back();
}

Result<TimedShortlist> time_shortlist(const Evaluator& evaluator, const std::vector<std::shared_ptr<const Evaluation>>& plans,
                                      const TuneMeasuring& measuring, const std::function<bool()>& stop) {
  expects(!plans.empty() && measuring.ours != nullptr);
  std::vector<Contender> contenders;
  for (const auto& plan : plans) contenders.push_back({measuring.ours, plan.get()});
  if (measuring.nccl != nullptr) contenders.push_back({measuring.nccl, plans.front().get()});
  auto times = time_interleaved(evaluator, contenders, {.rounds = measuring.rounds, .stop = stop});
  if (!times) return std::move(times).error();
  TimedShortlist result;
  std::optional<std::size_t> best;
  std::optional<std::size_t> first;  // of those that ran, the one predicted fastest
  const auto time_of = [&](std::size_t i) { return *(*times)[i].median(); };
  for (std::size_t i = 0; i < plans.size(); ++i) {
    auto& mine = (*times)[i];
    result.notes.insert(result.notes.end(), mine.notes.begin(), mine.notes.end());
    if (mine.error) {
      result.notes.push_back(what_did_not_run(plans[i]->plan().planner, *mine.error));
      continue;
    }
    ++result.measured.plans;
    if (!first) first = i;
    if (!best || time_of(i) < time_of(*best) * (1 - alike)) best = i;
  }
  if (!best) return *(*times).front().error;
  result.best = *best;
  result.measured.time = time_of(*best);
  result.measured.regret = std::max(0.0, time_of(*first) / time_of(*best) - 1);
  result.reason = fmt::format("{}, measured {:.2f} us, the fastest of {} plans timed", plans[*best]->plan().planner,
                              microseconds(result.measured.time), result.measured.plans);
  if (*best != *first)
    result.reason += fmt::format("; {}, predicted fastest, took {:.2f} us", plans[*first]->plan().planner, microseconds(time_of(*first)));
  if (measuring.nccl != nullptr) {
    const auto& nccl = times->back();
    result.notes.insert(result.notes.end(), nccl.notes.begin(), nccl.notes.end());
    if (nccl.error)
      result.notes.push_back(what_did_not_run("NCCL", *nccl.error));
    else
      result.measured.nccl = nccl.median();
  }
  return result;
}

Result<TimedShortlist> time_shortlist_with_rows(const Evaluator& evaluator, const std::vector<std::shared_ptr<const Evaluation>>& plans,
                                                const Epilogue& rows, const TuneMeasuring& measuring, const std::function<bool()>& stop) {
  expects(!plans.empty() && measuring.ours != nullptr);
  const auto& payload = plans.front()->program.payload;
  const auto row = rows.hidden * size_of(payload.type);
  const auto count = std::max<std::int64_t>(1, (payload.size().count() + row / 2) / row);
  std::vector<Evaluation> evaluations;
  for (const auto& plan : plans) {
    auto evaluation = evaluator.evaluate(plan->proved, {.elements = count * rows.hidden, .type = payload.type, .op = payload.op});
    if (!evaluation) return std::move(evaluation).error();
    auto program = with_epilogue(std::move(evaluation->program), rows);
    if (!program) return std::move(program).error();
    evaluation->program = *std::move(program);
    evaluations.push_back(*std::move(evaluation));
  }
  std::vector<Contender> contenders;
  for (const auto& evaluation : evaluations) {
    contenders.push_back({measuring.ours, &evaluation});
    contenders.push_back({measuring.ours, &evaluation, true});
  }
  auto times = time_interleaved(evaluator, contenders, {.rounds = measuring.rounds, .stop = stop});
  if (!times) return std::move(times).error();
  TimedShortlist result;
  std::optional<Seconds> first;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto& fused = (*times)[2 * i];
    const auto& apart = (*times)[2 * i + 1];
    if (fused.error || apart.error) {
      result.notes.push_back(what_did_not_run(plans[i]->plan().planner, fused.error ? *fused.error : *apart.error));
      continue;
    }
    result.notes.insert(result.notes.end(), fused.notes.begin(), fused.notes.end());
    ++result.measured.plans;
    const MeasuredRows its{count, *fused.median(), *apart.median()};
    if (!first) first = its.least();
    if (result.rows && its.least() >= result.rows->least() * (1 - alike)) continue;
    result.best = i;
    result.rows = its;
  }
  if (!result.rows) return times->front().error ? *times->front().error : *(*times)[1].error;
  result.measured.time = result.rows->least();
  result.measured.regret = std::max(0.0, *first / result.measured.time - 1);
  result.reason = fmt::format("{}, measured {:.2f} us with rows, the fastest of {} plans timed", plans[result.best]->plan().planner,
                              microseconds(result.measured.time), result.measured.plans);
  return result;
}

}  // namespace p2plab
