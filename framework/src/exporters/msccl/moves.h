// SPDX-License-Identifier: Apache-2.0
// A program as what MSCCL can do: messages, local copies and local additions of equal chunks, in the plan's order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/program/program.h"

namespace p2plab {

/// What MSCCL's steps cannot express, in whichever file they stand; `msccl_steps` names that.
Error msccl_cannot(const std::string& what);

struct MscclPlace {
  char buffer = 'i';        // i, o, s
  std::int64_t offset = 0;  // in equal chunks
  friend bool operator==(const MscclPlace&, const MscclPlace&) = default;
};

struct MscclMove {
  enum class Kind : std::uint8_t { message, copy, add };
  Kind kind = Kind::message;
  Rank rank;  // who sends, copies or adds
  Rank to;    // of a message: who receives
  MscclPlace from = {};
  MscclPlace destination = {};
  std::int64_t count = 0;    // equal chunks
  std::int32_t channel = 0;  // the plan's
};

/// Equal chunks of one GPU's buffers.
struct MscclBuffers {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t scratch = 0;
};

struct MscclMoves {
  CollectiveKind collective = CollectiveKind::all_reduce;
  std::vector<MscclBuffers> buffers;  // by rank
  std::vector<MscclMove> moves;
};

/// The moves of a program; the plan it was lowered from tells which channel each of its steps is on. Its buffers are cut into the fewest equal chunks
/// of which every instruction moves whole ones, at most `most_count` at a time. Errors: unsupported: collectives other than all_reduce, all_gather,
/// reduce_scatter and all_to_all among all ranks with equal shares and no silent member; averages, host memory, explicit routes, nothing to move, and
/// a payload that has no such cut into at most 4096 chunks.
Result<MscclMoves> msccl_moves(const Schedule& schedule, const Program& program, std::int64_t most_count);

}  // namespace p2plab
