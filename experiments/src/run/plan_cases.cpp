// SPDX-License-Identifier: Apache-2.0
#include "run/plan_cases.h"

#include <mutex>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "plan/parallel.h"

namespace p2plab {

namespace {

std::vector<PlannedCase> all_cases(const Experiment& experiment) {
  std::vector<PlannedCase> cases;
  for (const auto kind : experiment.collectives) {
    for (const auto size : experiment.sizes) {
      for (const auto& choice : experiment.algorithms) cases.push_back({kind, &choice, size});
    }
  }
  return cases;
}

void plan(PlannedCase& now, const Experiment& experiment, const Planning& planning, const std::function<bool()>& stop) {
  const auto& evaluator = planning.evaluator();
  const auto collective = make_collective(now.kind, evaluator.topology().ranks(), experiment.root);
  const auto payload = payload_of(now.size, experiment.dtype, experiment.op);
  auto evaluation = planning.plan(*now.choice, collective, payload, {.in_place = experiment.measure.in_place, .stop = stop});
  if (!evaluation) {
    now.error = std::move(evaluation).error();
    return;
  }
  if (auto prediction = evaluator.predict(evaluation->program)) evaluation->prediction = *prediction;
  now.evaluation = *std::move(evaluation);
}

}  // namespace

std::vector<PlannedCase> plan_cases(const Experiment& experiment, const Planning& planning, Progress& progress, const std::function<bool()>& stop) {
  auto cases = all_cases(experiment);
  progress.stage("plan, prove, predict", static_cast<std::int64_t>(cases.size()));
  std::mutex speaking;
  const auto stopped = [&] { return stop && stop(); };
  const auto work_on = [&](PlannedCase& now) {
    if (stopped()) {
      now.error = Error{ErrorCode::interrupted, "the run was interrupted before this was planned"};
      return;
    }
    plan(now, experiment, planning, stop);
    if (stopped()) {  // what was stopped midway is not what was asked for
      now.evaluation.reset();
      now.error = Error{ErrorCode::interrupted, "the run was interrupted while this was planned"};
    }
    const std::lock_guard lock(speaking);
    progress.advance(fmt::format("{} {} {}", to_string(now.kind), now.choice->label(), to_string(now.size)));
  };
  // `auto` comes last: it then finds its candidates judged. Large sizes come first: they take longest.
  for (const bool automatic : {false, true}) {
    std::vector<PlannedCase*> now;
    for (auto& each : cases) {
      if ((each.choice->name == "auto") == automatic) now.push_back(&each);
    }
    for_each_index(now.size(), [&](std::size_t i) { work_on(*now[now.size() - 1 - i]); });
  }
  return cases;
}

std::string reason_of(const Error& error) {
  auto text = error.message;
  for (const auto& note : error.notes) text += "; " + note;
  return text;
}

std::vector<Skipped> impossible(const std::vector<PlannedCase>& cases) {
  struct SameReason {
    std::string what;
    std::string reason;
    std::vector<Bytes> sizes;
    std::size_t asked = 0;
  };
  std::vector<SameReason> groups;
  for (const auto& planned : cases) {
    if (!planned.error) continue;
    const auto what = fmt::format("{} {}", to_string(planned.kind), planned.choice->label());
    const auto reason = reason_of(*planned.error);
    auto group = std::ranges::find_if(groups, [&](const SameReason& g) { return g.what == what && g.reason == reason; });
    if (group == groups.end()) group = groups.insert(group, {what, reason, {}, 0});
    group->sizes.push_back(planned.size);
  }
  std::vector<Skipped> skipped;
  for (auto& group : groups) {
    const auto asked =
        std::ranges::count_if(cases, [&](const PlannedCase& o) { return fmt::format("{} {}", to_string(o.kind), o.choice->label()) == group.what; });
    if (static_cast<std::size_t>(asked) > group.sizes.size()) {
      group.what += fmt::format(" at {}{}", to_string(group.sizes.front()), group.sizes.size() > 1 ? " to " + to_string(group.sizes.back()) : "");
    }
    skipped.push_back({group.what, group.reason});
  }
  return skipped;
}

}  // namespace p2plab
