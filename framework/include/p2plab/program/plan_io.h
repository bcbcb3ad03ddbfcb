// SPDX-License-Identifier: Apache-2.0
// Plans as files: JSON that holds the schedule, the machine it is for, and the payload it was chosen for, so that it can be proved, simulated,
// run and exported anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/program/planner.h"

namespace p2plab {

/// What a plan file holds.
struct PlanFile {
  Topology topology;
  Plan plan;
  Payload payload;
  bool in_place = false;
  /// Old words in the file that was read, each with what is written now.
  std::vector<std::string> warnings = {};
  /// The order in which it promises to add every element (order_of_sums.h); empty: it promises none.
  std::string order = {};
};

/// Version 1 of the format, described in framework/README.md; about 40 bytes a step (of a folded schedule, a step of the base). Reading it back gives
/// the same value.
std::string write_plan(const PlanFile& file);

/// Reads a plan file; `filename` is for messages. Errors: not JSON (line and column), a version other than 1, unknown, repeated or missing keys,
/// wrong types and impossible values (the place as a JSON pointer), a topology or a schedule that is not one. It proves nothing: `verify` does.
Result<PlanFile> read_plan(std::string_view text, const std::string& filename);

/// The same from a file of at most 1 GiB.
Result<PlanFile> load_plan(const std::string& path);

}  // namespace p2plab
