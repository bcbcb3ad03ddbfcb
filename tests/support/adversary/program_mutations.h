// SPDX-License-Identifier: Apache-2.0
// Random damage to programs: what a fault in lowering, merging, tuning or a file could do.
#pragma once

#include <array>
#include <optional>
#include <random>
#include <string_view>

#include "p2plab/program/program.h"

namespace p2plab::test {

/// One kind of damage; none if the program has no place for it.
struct ProgramMutation {
  std::string_view name;
  std::optional<Program> (*make)(const Program& good, std::mt19937_64& random);
};

/// A wait dropped, a wait moved, a byte range shifted, the slices changed, and others.
const std::array<ProgramMutation, 10>& program_mutations();

}  // namespace p2plab::test
