// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <fmt/format.h>

#include "p2plab/program/program_io.h"

namespace p2plab {

namespace {

class ProgramChecker {
 public:
  ProgramChecker(const Program& program, std::size_t links) : program_(program), links_(links) {}

  Status run() {
    auto builder = Schedule::Builder::create(program_.collective, program_.ranks());
    if (!builder) return std::move(builder).error();
    for (const auto link : program_.route_links) {
      if (link.index() >= links_) return wrong(fmt::format("a route names link {}, the machine has {}", link.value, links_));
    }
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      if (lane.rank.index() >= program_.memory.size())
        return wrong(fmt::format("lane {} belongs to rank {} of {}", l, lane.rank.value, program_.ranks()));
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(lane.count); ++i) {
        if (auto fault = fault_of(program_.at(LaneId{static_cast<std::int64_t>(l)}, i)); !fault.empty()) {
          return wrong(fmt::format("lane {}, instruction {}: {}", l, i, fault));
        }
      }
    }
    return deadlock();
  }

 private:
  static Error wrong(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

  std::string fault_of(const Instruction& instruction) const {
    if (instruction.bytes % size_of(program_.payload.type) != 0) return fmt::format("{} bytes are no whole number of elements", instruction.bytes);
    if (instruction.sources == 0 || instruction.destinations == 0) return "it needs at least one source and one destination";
    for (const auto operands : {program_.sources(instruction), program_.destinations(instruction)}) {
      for (const auto& operand : operands) {
        if (auto fault = fault_of(operand, instruction.bytes); !fault.empty()) return fault;
      }
    }
    for (const auto& wait : program_.waits_of(instruction)) {
      if (wait.lane.index() >= program_.lanes.size()) return fmt::format("it waits for lane {} of {}", wait.lane.value, program_.lanes.size());
      const auto count = program_.lanes[wait.lane.index()].count;
      if (static_cast<std::uint32_t>(wait.instruction) >= count) {
        return fmt::format("it waits for instruction {} of lane {}, which has {}", wait.instruction, wait.lane.value, count);
      }
    }
    return {};
  }

  std::string fault_of(const Operand& operand, std::int64_t bytes) const {
    if (operand.rank.index() >= program_.memory.size()) return fmt::format("there is no rank {}", operand.rank.value);
    if (operand.route != default_route && operand.route.index() + 1 >= program_.route_offsets.size())
      return fmt::format("there is no route {}", operand.route.value);
    const auto& memory = program_.memory[operand.rank.index()];
    const auto size = std::array{memory.input, memory.output, memory.scratch, memory.host}[static_cast<std::size_t>(operand.buffer)].count();
    if (operand.offset <= size - bytes) return {};
    return fmt::format("bytes {} to {} lie outside the {} of rank {}, which has {}", operand.offset, operand.offset + bytes,
                       to_string(operand.buffer), operand.rank.value, size);
  }

  // Instructions become ready when those they wait for and the one before them in their lane are; what never becomes ready is a deadlock.
  Status deadlock() const {
    const auto count = program_.instructions.size();
    std::vector<std::uint32_t> open(count);
    std::vector<std::vector<std::uint32_t>> followers(count);
    for (const auto& lane : program_.lanes) {
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        const auto follows = [&](std::uint32_t earlier) { followers[earlier].push_back(i), ++open[i]; };
        if (i > lane.first) follows(i - 1);
        for (const auto& wait : program_.waits_of(program_.instructions[i])) {
          follows(program_.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction));
        }
      }
    }
    std::vector<std::uint32_t> ready;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (open[i] == 0) ready.push_back(i);
    }
    for (std::size_t next = 0; next < ready.size(); ++next) {
      for (const auto follower : followers[ready[next]]) {
        if (--open[follower] == 0) ready.push_back(follower);
      }
    }
    if (ready.size() == count) return {};
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      for (std::uint32_t i = 0; i < program_.lanes[l].count; ++i) {
        if (open[program_.lanes[l].first + i] != 0) return wrong(fmt::format("lane {}, instruction {}: it waits for itself through others", l, i));
      }
    }
    return {};
  }

  const Program& program_;
  std::size_t links_;
};

}  // namespace

Status check(const Program& program, std::size_t links) { return ProgramChecker{program, links}.run(); }

}  // namespace p2plab
