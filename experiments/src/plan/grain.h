// SPDX-License-Identifier: Apache-2.0
// How finely programs are cut while the best tuning is looked for, what it costs to simulate them, and how much is affordable.
#pragma once

#include <algorithm>
#include <cstdint>

#include "p2plab/program/program.h"
#include "plan/best_tuning.h"

namespace p2plab {

/// How finely a program is cut: the largest instruction into blocks_per_lane * slices_per_block slices.
struct Grain {
  int blocks_per_lane = 1;
  int slices_per_block = 1;
  bool counted = false;  // every instruction into as many slices as the largest, not into slices of the same bytes
  bool apart = false;    // a lane for each step
  std::int64_t slices() const { return std::int64_t{blocks_per_lane} * slices_per_block; }
};

inline constexpr std::int64_t most_slices = 40'000;       // of a program in all: what one simulation may cost
inline constexpr std::int64_t most_of_large = 600'000;    // the same where even two slices of each are more than that: such are walked in leaps
inline constexpr std::int64_t most_of_whole = 1'200'000;  // the same where not one leap is possible: else such would not be cut at all
inline constexpr std::int64_t most_of_folded = 120'000;   // the same of a folded program, which takes more than a cut of four to fill links

/// What one simulation costs, in instructions: where each of a few moves data of very many ranks, that counts.
inline std::int64_t instructions_of(const Program& program) {
  constexpr std::size_t very_many = 256;  // operands of an instruction
  constexpr std::size_t usual = 4;        // at most
  const auto instructions = program.instructions.size();
  const auto operands = program.operands.size();
  return static_cast<std::int64_t>(operands / very_many < instructions ? instructions : operands / usual);
}
/// Of all images.
inline std::int64_t whole_instructions_of(const Program& program) {
  return instructions_of(program) * (program.folded ? program.images->images() : 1);
}
/// Too long to be made whole for each trial.
inline bool is_too_long(const Program& program) { return whole_instructions_of(program) > std::int64_t{most_searched_instructions}; }
/// Only leaps of more slices are tried.
inline bool is_large(const Program& program) { return instructions_of(program) * 2 > most_slices; }
/// How many slices a trial may have.
inline std::int64_t most_slices_of(const Program& program) {
  if (!is_large(program)) return program.folded ? most_of_folded : most_slices;
  return instructions_of(program) * 4 > most_of_large ? most_of_whole : most_of_large;
}
/// The same of a program that is not large, once its steps are leaps: at least as fine as large ones are cut, so that no program is cut less for
/// being smaller.
inline std::int64_t most_in_leaps(const Program& program) {
  constexpr std::int64_t fine = 32;  // slices of each instruction: more of them hardly gain
  return std::max(most_slices_of(program), std::min(most_of_large, fine * instructions_of(program)));
}
/// Slices of all instructions of a program.
inline std::int64_t slices_of(const Program& program) {
  std::int64_t sum = 0;
  for (const auto& instruction : program.instructions) sum += program.slices(instruction);
  return sum;
}
/// It cannot be cut finer.
inline bool is_whole(const Program& program) { return is_large(program) && instructions_of(program) * 2 > most_slices_of(program); }

}  // namespace p2plab
