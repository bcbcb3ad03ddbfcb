// SPDX-License-Identifier: Apache-2.0
// Programs written by hand, an instruction at a time.
#pragma once

#include <initializer_list>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::test {

/// Writes lanes one after another. Whoever is waited for signals.
class ProgramWriter {
 public:
  ProgramWriter(const Collective& collective, int ranks, const Payload& payload, const Tuning& tuning = {}, bool in_place = false) {
    program_.collective = collective;
    program_.payload = payload;
    program_.tuning = tuning;
    program_.in_place = in_place;
    const BufferLayout layout(collective, *contract(collective, ranks), ranks, payload);
    for (int r = 0; r < ranks; ++r) program_.memory.push_back({layout.input_size(Rank{r}), layout.output_size(Rank{r}), scratch, Bytes{0}});
  }

  /// What follows belongs to a new lane of this rank.
  ProgramWriter& lane(int rank) {
    program_.lanes.push_back({Rank{rank}, static_cast<std::uint32_t>(program_.instructions.size()), 0});
    return *this;
  }

  ProgramWriter& move(std::int64_t bytes, std::initializer_list<Operand> sources, std::initializer_list<Operand> destinations,
                      std::initializer_list<Wait> waits = {}) {
    Instruction i{.step = StepId{static_cast<std::int64_t>(program_.instructions.size())}, .bytes = bytes};
    i.operands = static_cast<std::uint32_t>(program_.operands.size());
    i.sources = static_cast<std::uint16_t>(sources.size());
    i.destinations = static_cast<std::uint16_t>(destinations.size());
    i.waits = static_cast<std::uint32_t>(program_.waits.size());
    i.wait_count = static_cast<std::uint32_t>(waits.size());
    program_.operands.insert(program_.operands.end(), sources);
    program_.operands.insert(program_.operands.end(), destinations);
    program_.waits.insert(program_.waits.end(), waits);
    program_.instructions.push_back(i);
    ++program_.lanes.back().count;
    return *this;
  }

  Program done() {
    for (const auto& wait : program_.waits) {
      program_.instructions[program_.lanes[wait.lane.index()].first + static_cast<std::size_t>(wait.instruction)].signals = true;
    }
    return program_;
  }

  static constexpr Bytes scratch{1 << 20};  // of every rank

 private:
  Program program_;
};

inline Operand in(int rank, std::int64_t offset = 0) { return {Rank{rank}, Buffer::input, default_route, offset}; }
inline Operand out(int rank, std::int64_t offset = 0) { return {Rank{rank}, Buffer::output, default_route, offset}; }
inline Operand slot(int rank, std::int64_t offset = 0) { return {Rank{rank}, Buffer::scratch, default_route, offset}; }
inline Wait on(int lane, int instruction) { return {LaneId{lane}, instruction}; }

}  // namespace p2plab::test
