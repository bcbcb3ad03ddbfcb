// SPDX-License-Identifier: Apache-2.0
// Random mutations of a proved schedule: those that spoil something, and edits that change nothing.
#pragma once

#include <optional>
#include <random>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/dependencies.h"
#include "replay.h"
#include "schedule_edit.h"

namespace p2plab::test {

/// A proved schedule and the machine that it was made for; the routes and the schedule outlive it.
struct Proved {
  const Routes& routes;
  const Schedule& schedule;
  bool in_place = false;
};

/// Makes mutants of one schedule; the same seed gives the same ones. Each function gives none if the schedule has no place for its mutation.
class Mutator {
 public:
  using Mutant = std::optional<ScheduleEdit>;

  Mutator(const Proved& good, std::uint64_t seed)
      : good_(good), replay_(good.schedule, good.in_place), dependencies_(good.schedule, good.in_place), edit_(good.schedule), random_(seed) {}

  /// Without one step.
  Mutant deleted();

  /// One source is added once more.
  Mutant added_again();

  /// A step runs a second time, at once or later, where that changes what a later step reads or a receiver ends with.
  Mutant run_again();

  /// One source lies elsewhere, where something else or nothing lies then.
  Mutant source_redirected();

  /// One destination lies elsewhere.
  Mutant destination_redirected();

  /// A step and one that it waits for change places, unless all that one of them writes for the other lies there already.
  Mutant swapped();

  /// A sum lacks one of its sources.
  Mutant source_dropped();

  /// A rank that cannot reach one of the locations runs the step.
  Mutant executor_out_of_reach();

  /// An explicit route loses its first or last link, or a location gets the route of another one that leads elsewhere.
  Mutant route_spoilt();

  /// Changes nothing: a step that does not read what it writes runs twice in a row.
  Mutant repeated_at_once();

  /// Changes nothing: a source is read at another place in reach that holds the same.
  Mutant same_value_elsewhere();

  /// Changes nothing: another rank that reaches all locations runs the step.
  Mutant executor_in_reach();

  /// Changes nothing: two steps in a row, of which neither waits for the other, change places.
  Mutant neighbours_swapped();

 private:
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
  bool chance() { return below(2) == 0; }
  std::size_t any_step() { return below(edit_.steps.size()); }
  Location redirected(const Location& old);
  bool reads(Rank executor, const Location& from) const;
  bool writes(Rank executor, const Location& to) const;
  bool is_needed(const Location& place, std::size_t from) const;
  bool alters(std::size_t writer, std::size_t other);
  Mutant executor_changed(bool in_reach);

  const Proved good_;
  Replay replay_;
  Dependencies dependencies_;
  std::vector<StepId> before_;
  ScheduleEdit edit_;
  std::mt19937_64 random_;
};

}  // namespace p2plab::test
