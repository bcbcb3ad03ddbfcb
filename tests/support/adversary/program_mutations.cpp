// SPDX-License-Identifier: Apache-2.0
#include "support/adversary/program_mutations.h"

#include <algorithm>
#include <vector>

namespace p2plab::test {

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t count) { return random() % count; }

// The instructions that have waits.
std::vector<std::size_t> waiting(const Program& program) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    if (program.instructions[i].wait_count > 0) all.push_back(i);
  }
  return all;
}

Instruction& any_instruction(Program& program, Random& random) { return program.instructions[below(random, program.instructions.size())]; }

std::optional<Program> wait_dropped(const Program& good, Random& random) {
  const auto all = waiting(good);
  if (all.empty()) return std::nullopt;
  auto program = good;
  auto& instruction = program.instructions[all[below(random, all.size())]];
  const auto which = instruction.waits + below(random, instruction.wait_count);
  std::swap(program.waits[which], program.waits[instruction.waits + instruction.wait_count - 1]);
  --instruction.wait_count;
  return program;
}

std::optional<Program> wait_moved_back(const Program& good, Random& random) {
  const auto all = waiting(good);
  if (all.empty()) return std::nullopt;
  auto program = good;
  const auto& instruction = program.instructions[all[below(random, all.size())]];
  auto& wait = program.waits[instruction.waits + below(random, instruction.wait_count)];
  if (wait.instruction == 0) return std::nullopt;
  --wait.instruction;
  program.instructions[program.lanes[wait.lane.index()].first + static_cast<std::size_t>(wait.instruction)].signals = true;
  return program;
}

std::optional<Program> wait_moved_to_another_lane(const Program& good, Random& random) {
  const auto all = waiting(good);
  if (all.empty() || good.lanes.size() < 2) return std::nullopt;
  auto program = good;
  const auto& instruction = program.instructions[all[below(random, all.size())]];
  auto& wait = program.waits[instruction.waits + below(random, instruction.wait_count)];
  const LaneId lane{static_cast<std::int64_t>(below(random, program.lanes.size()))};
  if (lane == wait.lane) return std::nullopt;
  wait = {lane, static_cast<std::int32_t>(below(random, program.lanes[lane.index()].count))};
  program.instructions[program.lanes[wait.lane.index()].first + static_cast<std::size_t>(wait.instruction)].signals = true;
  return program;
}

std::optional<Program> range_shifted(const Program& good, Random& random) {
  auto program = good;
  const auto& instruction = any_instruction(program, random);
  auto& operand = program.operands[instruction.operands + below(random, std::size_t{instruction.sources} + instruction.destinations)];
  const auto element = size_of(program.payload.type);
  const std::int64_t by = (random() % 2 == 0 ? 1 : -1) * (random() % 2 == 0 ? element : 16);
  operand.offset += by;
  return program;
}

std::optional<Program> bytes_changed(const Program& good, Random& random) {
  auto program = good;
  auto& instruction = any_instruction(program, random);
  const auto element = size_of(program.payload.type);
  instruction.bytes += random() % 2 == 0 ? element : -element;
  if (instruction.bytes < 0) return std::nullopt;
  return program;
}

std::optional<Program> slices_changed(const Program& good, Random& random) {
  auto program = good;
  constexpr std::array widths{0, 16, 48, 80, 256};
  const Bytes slice{widths[below(random, widths.size())]};
  if (slice == good.tuning.slice && good.tuning.slices == 0) return std::nullopt;
  program.tuning.slice = slice;
  program.tuning.slices = 0;
  if (slice == Bytes{0} && random() % 2 == 0) program.tuning.slices = static_cast<int>(2 + below(random, 6));
  return program;
}

std::optional<Program> parts_changed(const Program& good, Random& random) {
  auto program = good;
  program.tuning.blocks_per_lane = static_cast<int>(1 + below(random, 6));
  if (program.tuning.blocks_per_lane == good.tuning.blocks_per_lane) return std::nullopt;
  return program;
}

std::optional<Program> neighbours_swapped(const Program& good, Random& random) {
  auto program = good;
  const auto& lane = program.lanes[below(random, program.lanes.size())];
  if (lane.count < 2) return std::nullopt;
  const auto first = lane.first + below(random, lane.count - 1);
  std::swap(program.instructions[first], program.instructions[first + 1]);
  return program;
}

std::optional<Program> source_dropped(const Program& good, Random& random) {
  auto program = good;
  auto& instruction = any_instruction(program, random);
  if (instruction.sources < 2) return std::nullopt;
  ++instruction.operands;
  --instruction.sources;
  return program;
}

std::optional<Program> operand_elsewhere(const Program& good, Random& random) {
  auto program = good;
  const auto& instruction = any_instruction(program, random);
  auto& operand = program.operands[instruction.operands + below(random, std::size_t{instruction.sources} + instruction.destinations)];
  const auto other = program.operands[below(random, program.operands.size())];
  if (other.rank == operand.rank && other.buffer == operand.buffer && other.offset == operand.offset) return std::nullopt;
  operand = other;
  return program;
}

}  // namespace

const std::array<ProgramMutation, 10>& program_mutations() {
  static constexpr std::array<ProgramMutation, 10> all{{{"a wait dropped", wait_dropped},
                                                        {"a wait for the instruction before", wait_moved_back},
                                                        {"a wait for another lane", wait_moved_to_another_lane},
                                                        {"a byte range shifted", range_shifted},
                                                        {"an element more or less", bytes_changed},
                                                        {"slices changed", slices_changed},
                                                        {"blocks of a lane changed", parts_changed},
                                                        {"two instructions swapped", neighbours_swapped},
                                                        {"a source dropped", source_dropped},
                                                        {"an operand elsewhere", operand_elsewhere}}};
  return all;
}

}  // namespace p2plab::test
