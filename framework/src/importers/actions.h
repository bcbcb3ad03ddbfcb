// SPDX-License-Identifier: Apache-2.0
// What a foreign algorithm does, one thing after another, on ranges of equal units; and a schedule made of it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// So many units of one buffer.
struct UnitPlace {
  Rank rank;
  char buffer = 'i';  // i, o, s
  std::int64_t first = 0;
};

/// `rank` adds the sources and writes the sum to the destination; each has `count` units.
struct Action {
  Rank rank;
  std::vector<UnitPlace> sources;
  UnitPlace destination;
  std::int64_t count = 0;
  std::int32_t channel = 0;
  std::size_t origin = 0;  // byte of the file, for messages
};

/// Units in the buffers of every rank.
struct UnitBuffers {
  std::vector<std::int64_t> inputs;  // by rank
  std::vector<std::int64_t> outputs;
};

/// A mistake of the file and the byte where it is.
struct ImportFault {
  std::string message;
  std::size_t origin = 0;
};

/// The schedule of these actions in their order: chunks are cut where actions begin and end, or unit by unit where they overlap unevenly. Every chunk
/// is on the lowest channel that any of its actions is on.
std::variant<Schedule, ImportFault> cut_actions(const Collective& collective, const UnitBuffers& buffers, const std::vector<Action>& actions);

}  // namespace p2plab
