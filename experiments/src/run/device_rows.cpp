// SPDX-License-Identifier: Apache-2.0
#include "run/device_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "bench/quiet_times.h"
#include "p2plab/base/quantity.h"

namespace p2plab {

namespace {

// All contenders of one collective and size.
struct Contest {
  struct Member {
    const NamedExecutor* executor = nullptr;
    const PlannedCase* planned = nullptr;
  };
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes size{0};
  std::vector<Member> members = {};
};

std::vector<Contest> groups_of(const std::vector<NamedExecutor>& executors, const std::vector<PlannedCase>& cases) {
  std::vector<Contest> groups;
  for (const auto& planned : cases) {
    if (!planned.evaluation) continue;
    auto group = std::ranges::find_if(groups, [&](const Contest& each) { return each.kind == planned.kind && each.size == planned.size; });
    if (group == groups.end()) group = groups.insert(group, {.kind = planned.kind, .size = planned.size});
    for (const auto& executor : executors) {
      const bool there = std::ranges::any_of(group->members, [&](const Contest::Member& each) { return each.executor == &executor; });
      if (!there || !is_nccl(executor.name)) group->members.push_back({&executor, &planned});
    }
  }
  return groups;
}

// What runs: a plan by ours, NCCL by itself.
std::string name_of(const Contest::Member& member) { return is_nccl(member.executor->name) ? std::string{"nccl"} : member.planned->choice->label(); }

InterleavedOptions options_of(const DeviceRun& run) {
  const auto& measure = run.experiment.measure;
  constexpr int most_rounds = 5;
  const int rounds = std::clamp(measure.repeats, 1, most_rounds);
  return {.rounds = rounds,
          .samples = (measure.repeats + rounds - 1) / rounds,
          .each = {.warmup = measure.warmup, .seed = run.experiment.seed, .graph = measure.graph},
          .keep_wrong = true,
          .stop = run.stop};
}

void time_group(const Contest& group, const DeviceRun& run) {
  std::vector<Contender> contenders;
  for (const auto& member : group.members) contenders.push_back({member.executor->executor, &*member.planned->evaluation});
  auto quiet = time_in_quiet(run.evaluator, contenders, options_of(run), run.watch);
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const auto& member = group.members[i];
    const auto what = fmt::format("{} {} {} at {}", member.executor->name, to_string(group.kind), name_of(member), to_string(group.size));
    run.progress.advance(fmt::format("{} {}", name_of(member), to_string(group.size)));
    const auto& error = quiet ? quiet->times[i].error : std::optional(quiet.error());
    if (error) {
      run.skip(what, fmt::format("{}{}{}", error->message, error->notes.empty() ? "" : "; ", fmt::join(error->notes, "; ")));
      continue;
    }
    auto& times = quiet->times[i];
    run.add(*member.planned,
            {.executor = times.executor,
             .clock = times.clock,
             .samples = std::move(times.samples),
             .check = std::move(times.check),
             .notes = std::move(times.notes)},
            quiet->disturbed);
  }
}

}  // namespace

bool time_on_devices(const std::vector<NamedExecutor>& executors, const std::vector<PlannedCase>& cases, const DeviceRun& run) {
  const auto groups = groups_of(executors, cases);
  std::size_t left = 0;
  for (const auto& group : groups) left += group.members.size();
  std::vector<std::string> names;
  for (const auto& executor : executors) names.push_back(executor.name);
  const auto all = left;
  run.progress.stage(fmt::format("run on {}", fmt::join(names, ", ")), static_cast<std::int64_t>(all));
  for (const auto& group : groups) {
    if (run.stop && run.stop()) {
      run.skip(fmt::format("executor {}: {} of {} rows", fmt::join(names, ", "), left, all), "the run was interrupted before them");
      return false;
    }
    time_group(group, run);
    left -= group.members.size();
  }
  return true;
}

}  // namespace p2plab
