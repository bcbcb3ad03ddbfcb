// SPDX-License-Identifier: Apache-2.0
// A program of some instructions of another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/program/program.h"

namespace p2plab::segments {

struct PickedLane {
  Rank rank;
  std::vector<std::uint32_t> instructions;  // of the whole program, in their order
};

/// By instruction of the whole program: those that it waits for.
using Awaited = std::vector<std::vector<std::uint32_t>>;

/// Memory, payload and form are those of `whole`. What an instruction waits for must be picked, too, and lie in another lane.
Program pick(const Program& whole, std::span<const PickedLane> lanes, const Awaited& awaited);

}  // namespace p2plab::segments
