// SPDX-License-Identifier: Apache-2.0
// The waits of a program: every dependency between lanes, less those that follow from others.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/dependencies.h"

namespace p2plab {

/// Where each step of the schedule went: its lane and its place there; lane -1 if it was dropped.
struct StepPlace {
  LaneId lane{-1};
  std::int32_t instruction = 0;
};

/// What `add_waits` needs to know of the steps of `Dependencies`.
struct StepPlaces {
  const std::vector<StepPlace>& of;
  /// Leave out also what follows by way of other lanes, where that is affordable.
  bool transitive = true;
  /// The lane that a step waits for where it waits for an earlier one, of a folded program; empty: the lane of that one.
  std::function<LaneId(StepId waiting, StepId before)> named = {};
};

/// Fills in the waits and `signals` of `program`, whose lanes and instructions are complete. `order` lists (in schedule order) the steps that
/// became instructions.
void add_waits(Program& program, const Dependencies& dependencies, const StepPlaces& places, const std::vector<StepId>& order);

}  // namespace p2plab
