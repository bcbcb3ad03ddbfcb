// SPDX-License-Identifier: Apache-2.0
// A large program lies in memory that no cache holds, and its operands lie in another order than its instructions: what will be looked at is asked
// for some instructions before.
#pragma once

#include <algorithm>
#include <cstddef>

#include "p2plab/program/program.h"

namespace p2plab::checking {

inline constexpr std::size_t instructions_ahead = 16;

template <class List>
void ask_for(const List& all, std::size_t index) {
  __builtin_prefetch(all.data() + std::min(index, all.size()));
}

/// Asks for the operands of the instruction so many behind `index`.
inline void ask_for_operands(const Program& program, std::size_t index) {
  index += instructions_ahead;
  if (index >= program.instructions.size()) return;
  const auto first = program.instructions[index].operands;
  ask_for(program.operands, first);
  ask_for(program.operands, std::size_t{first} + 2);
}

/// The same of its waits.
inline void ask_for_waits(const Program& program, std::size_t index) {
  if (index + instructions_ahead < program.instructions.size()) ask_for(program.waits, program.instructions[index + instructions_ahead].waits);
}

}  // namespace p2plab::checking
