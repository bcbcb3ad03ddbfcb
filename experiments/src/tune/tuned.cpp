// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/tuned.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/order_of_sums.h"
#include "plan/collective_bound.h"
#include "plan/parallel.h"
#include "tune/shortlist.h"

namespace p2plab {

namespace {

// The best candidate so far that is not of the winner's planner: names are "ring (rings=8)".
struct Considered {
  std::string name;
  std::optional<Seconds> time;
};

bool same_planner(const std::string& name, const std::string& planner) { return name == planner || name.starts_with(planner + " "); }

// At one size.
struct Found {
  std::optional<Evaluation> evaluation = std::nullopt;
  std::optional<Error> error = std::nullopt;
  std::string reason = {};
  TunedSize size = {};
  std::string identity = {};  // of the plan
  std::vector<Considered> considered = {};
  std::vector<std::shared_ptr<const Evaluation>> shortlist = {};  // where plans are to be timed
  bool done = false;
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

// What is left of a part of a time, dealt out among the sizes that are still to come, which as many threads as there are cores work on.
class SharedTime {
 public:
  SharedTime(std::optional<Seconds> limit, double part) : whole_(limit), limit_(limit ? std::optional{*limit * part} : limit) {}
  /// For the size in place `i`; the last comes first.
  std::optional<Seconds> of(std::size_t i) const {
    if (!limit_) return std::nullopt;
    const Seconds left = *limit_ - (std::chrono::steady_clock::now() - begin_);
    const auto to_come = i + 1;
    const auto at_once = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, to_come);
    return std::max(Seconds{0}, left * static_cast<double>(at_once) / static_cast<double>(to_come));
  }

  /// Has the whole of it passed?
  bool over() const { return whole_ && *whole_ < Seconds{std::chrono::steady_clock::now() - begin_}; }

 private:
  std::optional<Seconds> whole_;
  std::optional<Seconds> limit_;  // for planning
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

class Tuner : public std::enable_shared_from_this<Tuner> {
 public:
  Tuner(const Evaluator& evaluator, const Collective& collective, const TuneOptions& options, Progress& progress)
      : evaluator_(evaluator),
        planning_(evaluator),
        collective_(collective),
        options_(options),
        progress_(progress),
        limit_(limit_of(evaluator.topology(), collective, until(options))),
        shared_(options.time_limit, options.measuring ? to_plan : 1),
        found_(options.sizes.size()) {}

  Result<TunedTable> run() {
    progress_.stage("tune", static_cast<std::int64_t>(found_.size()));
    for_each_index(found_.size(), [&](std::size_t i) { plan(found_.size() - 1 - i); });  // large sizes take longest
    // Nothing else runs while times are taken.
    if (options_.measuring) {
      if (auto done = measure(); !done) return std::move(done).error();
    }
    return table();
  }

 private:
  // Of the sizes that are done, while others are worked on.
  Result<TunedTable> so_far() {
    const std::lock_guard lock(speaking_);
    return table();
  }

  static constexpr double to_plan = 0.5;  // of a limit, where the rest is for measuring

  // The bound gets a part of the time, too.
  static std::function<bool()> until(const TuneOptions& options) {
    constexpr double to_bound = 0.25;
    if (!options.time_limit) return options.stop;
    return [stop = options.stop, end = std::chrono::steady_clock::now() + to_bound * *options.time_limit] {
      return std::chrono::steady_clock::now() > end || (stop && stop());
    };
  }

  bool stopped() const { return options_.stop && options_.stop(); }

  void plan(std::size_t i) {
    auto& here = found_[i];
    const auto payload = payload_of(options_.sizes[i], options_.dtype, options_.op);
    Shortlist shortlist(options_.measuring ? static_cast<std::size_t>(options_.measuring->candidates) : 0);
    PlanningOptions mine{.in_place = options_.in_place, .time_limit = shared_.of(i), .stop = options_.stop, .fixed_order = options_.fixed_order};
    mine.considered = [&](const std::string& name, std::optional<Seconds> time) { here.considered.push_back({name, time}); };
    if (options_.measuring) mine.found = [&](const std::shared_ptr<const Evaluation>& one) { shortlist.add(one); };
    if (stopped() || (shared_.over() && any_done_)) return;
    auto evaluation = planning_.plan({"auto"}, collective_, payload, mine);
    if (stopped()) return;
    if (evaluation) {
      here.reason = evaluation->reason();
      here.size = {.size = options_.sizes[i], .bound = limit_.time(payload)};
      here.shortlist = shortlist.plans();
      here.evaluation = *std::move(evaluation);
      here.identity = identity(evaluator_.topology(), here.evaluation->kept_plan());
    } else {
      here.error = std::move(evaluation).error();
    }
    const std::lock_guard lock(speaking_);
    here.done = true;
    any_done_ = true;
    progress_.advance(to_string(options_.sizes[i]));
    if (options_.found) options_.found([self = shared_from_this()] { return self->so_far(); });
  }

  // Sizes in turn, small ones first; what there is no time for keeps its prediction.
  Status measure() {
    measured_ = options_.measuring->on;
    progress_.stage("measure", static_cast<std::int64_t>(found_.size()));
    for (auto& here : found_) {
      if (!here.evaluation || stopped() || shared_.over()) continue;
      auto timed = options_.rows ? time_shortlist_with_rows(evaluator_, here.shortlist, *options_.rows, *options_.measuring, options_.stop)
                                 : time_shortlist(evaluator_, here.shortlist, *options_.measuring, options_.stop);
      if (!timed) return std::move(timed).error();
      auto its_identity = identity(evaluator_.topology(), here.shortlist[timed->best]->kept_plan());
      const std::lock_guard lock(speaking_);
      here.identity = std::move(its_identity);
      here.evaluation = *here.shortlist[timed->best];
      here.reason = timed->reason + "; " + here.evaluation->plan().reason;
      here.size.measured = timed->measured;
      here.size.rows = timed->rows;
      here.size.rows_apart = timed->rows && timed->rows->are_better_apart();
      for (auto& note : timed->notes) {
        if (std::ranges::find(measured_->notes, note) == measured_->notes.end()) measured_->notes.push_back(std::move(note));
      }
      progress_.advance(to_string(here.size.size));
    }
    return {};
  }

  Result<TunedTable> table() const {
    TunedTable table{.topology = evaluator_.topology(),
                     .dtype = options_.dtype,
                     .op = options_.op,
                     .in_place = options_.in_place,
                     .profile = evaluator_.profile().name,
                     .proof = limit_.argument,
                     .bands = {},
                     .measured = measured_,
                     .order = options_.fixed_order ? members_in_order(collective_) : std::string{},
                     .rows = options_.rows ? describe(*options_.rows) : std::string{}};
    const Found* last = nullptr;
    for (const auto& here : found_) {
      if (!here.done) continue;  // stopped
      if (here.error) return *here.error;
      auto size = here.size;
      size.tuning = here.evaluation->program.tuning;
      size.predicted = here.evaluation->prediction.time;
      note_rivals(size, here.considered, here.evaluation->plan().planner);
      if (last == nullptr || last->identity != here.identity) {
        auto plan = here.evaluation->kept_plan();
        plan.reason = here.reason;
        table.bands.push_back({{plan.planner, plan.parameters}, plan, plan.reason, {}});
      }
      table.bands.back().sizes.push_back(std::move(size));
      last = &here;
    }
    if (table.bands.empty()) return Error{ErrorCode::interrupted, "interrupted before a plan was found for any size"};
    return table;
  }

  const Evaluator& evaluator_;
  Planning planning_;
  const Collective& collective_;
  const TuneOptions& options_;
  Progress& progress_;
  Limit limit_;
  SharedTime shared_;
  std::mutex speaking_;
  std::vector<Found> found_;
  std::atomic<bool> any_done_{false};
  std::optional<MeasuredOn> measured_;
};

}  // namespace

Result<TunedTable> tune(const Evaluator& evaluator, const Collective& collective, const TuneOptions& options, Progress& progress) {
  expects(!options.sizes.empty());
  return std::make_shared<Tuner>(evaluator, collective, options, progress)->run();
}

}  // namespace p2plab
