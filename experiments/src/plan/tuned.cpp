// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/tuned.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/plan_summary.h"
#include "p2plab/program/plan_io.h"
#include "plan/collective_bound.h"
#include "plan/parallel.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

// The best candidate so far that is not of the winner's planner: names are "ring (rings=8)".
struct Considered {
  std::string name;
  std::optional<Seconds> time;
};

bool same_planner(const std::string& name, const std::string& planner) { return name == planner || name.starts_with(planner + " "); }

struct Found {
  std::optional<Evaluation> evaluation = std::nullopt;
  std::optional<Error> error = std::nullopt;
  TunedSize size = {};
};

void note_rivals(TunedSize& size, const std::vector<Considered>& considered, const std::string& winner) {
  for (const auto& [name, time] : considered) {
    ++(time ? size.weighed : size.left_out);
    if (!time || same_planner(name, winner) || (size.runner_up_time && *size.runner_up_time <= *time)) continue;
    size.runner_up = name;
    size.runner_up_time = time;
  }
}

// What makes two plans one, whatever they were tuned for.
std::string identity(const Topology& topology, const Plan& plan) {
  auto bare = plan;
  bare.tuning = {};
  bare.reason.clear();
  bare.parameters.clear();
  return write_plan({topology, std::move(bare), {}, false});
}

std::string form(const Tuning& tuning) {
  auto text = std::string{to_string(tuning.protocol)};
  if (tuning.parts > 1) text += fmt::format(", {} parts", tuning.parts);
  if (tuning.slice.count() > 0 || tuning.slices > 0 || tuning.lane_per_step) text += ", " + slicing(tuning);
  return text;
}

// What is left of a time, dealt out among the sizes that are still to come, which as many threads as there are cores work on.
class SharedTime {
 public:
  explicit SharedTime(std::optional<Seconds> limit) : limit_(limit) {}
  /// For the size in place `i`; the last comes first.
  std::optional<Seconds> of(std::size_t i) const {
    if (!limit_) return std::nullopt;
    const Seconds left = *limit_ - (std::chrono::steady_clock::now() - begin_);
    const auto to_come = i + 1;
    const auto at_once = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, to_come);
    return std::max(Seconds{0}, left * static_cast<double>(at_once) / static_cast<double>(to_come));
  }

 private:
  std::optional<Seconds> limit_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

const TunedBand& TunedTable::band(Bytes size) const& {
  expects(!bands.empty());
  const auto* best = &bands.front();
  for (const auto& each : bands) {
    if (each.sizes.front().size <= size) best = &each;
  }
  return *best;
}

Tuning TunedTable::tuning(Bytes size) const {
  const auto& sizes = band(size).sizes;
  auto best = sizes.front().tuning;
  for (const auto& each : sizes) {
    if (each.size <= size) best = each.tuning;
  }
  return best;
}

Result<TunedTable> tune(const Evaluator& evaluator, const Collective& collective, const TuneOptions& options, Progress& progress) {
  expects(!options.sizes.empty());
  const auto limit = limit_of(evaluator.topology(), collective);
  std::vector<Found> found(options.sizes.size());
  progress.stage("tune", static_cast<std::int64_t>(found.size()));
  std::mutex speaking;
  const Planning planning(evaluator);
  const PlanningOptions usual{.in_place = options.in_place, .stop = options.stop};
  const auto stopped = [&] { return options.stop && options.stop(); };
  const SharedTime shared(options.time_limit);
  const auto work_on = [&](std::size_t i) {
    const auto payload = payload_of(options.sizes[i], options.dtype, options.op);
    std::vector<Considered> considered;
    auto mine = usual;
    mine.time_limit = shared.of(i);
    mine.considered = [&](const std::string& name, std::optional<Seconds> time) { considered.push_back({name, time}); };
    if (stopped()) return;
    auto evaluation = planning.plan({"auto"}, collective, payload, mine);
    if (stopped()) return;
    auto& here = found[i];
    if (evaluation) {
      here.size = {
          .size = options.sizes[i], .tuning = evaluation->program.tuning, .predicted = evaluation->prediction.time, .bound = limit.time(payload)};
      note_rivals(here.size, considered, evaluation->plan().planner);
      here.evaluation = *std::move(evaluation);
    } else {
      here.error = std::move(evaluation).error();
    }
    const std::lock_guard lock(speaking);
    progress.advance(to_string(options.sizes[i]));
  };
  for_each_index(found.size(), [&](std::size_t i) { work_on(found.size() - 1 - i); });  // large sizes take longest
  TunedTable table{.topology = evaluator.topology(),
                   .dtype = options.dtype,
                   .op = options.op,
                   .in_place = options.in_place,
                   .profile = evaluator.profile().name,
                   .proof = limit.argument,
                   .bands = {}};
  std::string last;
  for (auto& here : found) {
    if (here.error) return *std::move(here.error);
    if (!here.evaluation) continue;  // stopped
    const auto plan = here.evaluation->kept_plan();
    auto now = identity(evaluator.topology(), plan);
    if (now != last) table.bands.push_back({{plan.planner, plan.parameters}, plan, plan.reason, {}});
    table.bands.back().sizes.push_back(here.size);
    last = std::move(now);
  }
  if (table.bands.empty()) return Error{ErrorCode::interrupted, "interrupted before a plan was found for any size"};
  return table;
}

std::string to_text(const TunedTable& table) {
  using enum TextTable::Align;
  const auto& collective = table.bands.front().plan.schedule.collective();
  auto text = fmt::format("{} among {} ranks of {}, {}{}, profile {}\n", to_string(collective.kind), collective.members.size(), table.topology.name(),
                          to_string(table.dtype), table.in_place ? ", in place" : "", table.profile);
  TextTable rows(
      {{"size", right}, {"algorithm"}, {"runs as"}, {"predicted us", right}, {"bound us", right}, {"gap %", right}, {"runner-up"}, {"us", right}});
  for (const auto& band : table.bands) {
    for (const auto& size : band.sizes) {
      const auto gap = size.bound && size.bound->count() > 0 ? fmt::format("{:.1f}", (size.predicted / *size.bound - 1) * 100) : "-";
      rows.add({to_string(size.size), band.algorithm.name, form(size.tuning), fmt::format("{:.2f}", microseconds(size.predicted)),
                size.bound ? fmt::format("{:.2f}", microseconds(*size.bound)) : "-", gap, size.runner_up,
                size.runner_up_time ? fmt::format("{:.2f}", microseconds(*size.runner_up_time)) : ""});
    }
  }
  text += rows.text();
  for (const auto& band : table.bands) text += fmt::format("from {}: {}\n", to_string(band.sizes.front().size), band.reason);
  if (!table.proof.empty()) text += fmt::format("bound: {}\n", table.proof);
  return text;
}

}  // namespace p2plab
