// SPDX-License-Identifier: Apache-2.0
// Runs programs on the CPU under orders chosen to hurt, and looks at every pair of slices: a referee that shares nothing with the checker of programs
// but the meaning of lanes, slices and waits.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::test {

/// One small program. It must be consistent, byte ranges included.
class SliceMachine {
 public:
  explicit SliceMachine(const Program& program);

  /// Executes one interleaving of all thread blocks: slices read early or late and write in two halves, one block starves, another runs ahead. The
  /// data are bytes, added modulo 256, so that sums are exact. What is wrong in the outputs at the end, or that all stand still; empty if nothing is.
  std::string run(std::uint64_t seed);

  /// Compares every two slices, one by one: what is not ordered but touches the same bytes, one of them writing; empty if there is nothing.
  std::string race() const;
  /// Slices of all instructions, to keep `race` to small programs.
  std::size_t slices() const;

 private:
  using Byte = std::uint8_t;
  // Where bytes lie after what is shared in place.
  struct Place {
    std::size_t memory = 0;
    std::int64_t offset = 0;
  };
  // How a rank's buffer lies in a memory.
  struct Name {
    std::size_t memory = 0;
    std::int64_t shift = 0;
  };
  // A thread block of a lane.
  struct ThreadBlock {
    LaneId lane;
    std::int64_t part = 0;
    std::int32_t instruction = 0;
    std::int64_t ordinal = 0;  // its slices of the instruction that are done
    int stage = 0;             // of the slice at hand: 0 not begun, 1 begun, 2 half written
    bool early = false;        // it has read when it began
    std::vector<Byte> sum = {};
  };
  struct Cut {
    std::int64_t begin = 0;
    std::int64_t bytes = 0;
  };

  void name_memory();
  Place place(Rank rank, Buffer buffer, std::int64_t offset) const;
  Cut cut(const Instruction& instruction, std::int64_t slice) const;
  bool ended(const ThreadBlock& block) const { return static_cast<std::uint32_t>(block.instruction) >= program_.lanes[block.lane.index()].count; }
  const Instruction& current(const ThreadBlock& block) const { return program_.at(block.lane, block.instruction); }
  std::int64_t slice(const ThreadBlock& block) const { return block.part + block.ordinal * program_.tuning.blocks_per_lane; }
  void settle(ThreadBlock& block) const;
  bool ready(const ThreadBlock& block) const;
  void start(std::mt19937_64& random);
  std::size_t choose(std::mt19937_64& random, std::size_t starved, std::size_t favoured) const;
  void advance(ThreadBlock& block, std::mt19937_64& random);
  void read(ThreadBlock& block);
  void write(const ThreadBlock& block, std::int64_t from, std::int64_t to);
  std::string wrong_output() const;
  static Byte given(std::size_t block, Rank rank, std::int64_t byte);

  const Program& program_;
  std::vector<Block> contract_;
  BufferLayout layout_;
  std::vector<std::int64_t> block_bytes_;
  std::vector<Name> names_;  // by rank, then buffer
  std::vector<std::vector<Byte>> memory_;
  std::vector<ThreadBlock> blocks_;  // by lane, then part
};

}  // namespace p2plab::test
