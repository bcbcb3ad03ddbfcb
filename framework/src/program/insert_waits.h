// SPDX-License-Identifier: Apache-2.0
// The waits of a program: every dependency between lanes, less those that follow from others.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/dependencies.h"

namespace p2plab {

/// Where each step of the schedule went: its lane and its place there; lane -1 if it was dropped.
struct StepPlace {
  LaneId lane{-1};
  std::int32_t instruction = 0;
};

/// Fills in the waits and `signals` of `program`, whose lanes and instructions are complete. `order` lists (in schedule order) the steps that
/// became instructions.
void add_waits(Program& program, const Dependencies& dependencies, const std::vector<StepPlace>& places, const std::vector<StepId>& order);

}  // namespace p2plab
