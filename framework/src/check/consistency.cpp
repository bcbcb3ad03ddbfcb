// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "check/ahead.h"
#include "check/describe.h"
#include "p2plab/program/check.h"
#include "p2plab/program/epilogue.h"

namespace p2plab {

namespace {

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

class ConsistencyChecker {
 public:
  ConsistencyChecker(const Program& program, const ProgramBounds& bounds)
      : program_(program), bounds_(bounds), all_operands_known_(std::ranges::all_of(program.operands, [this](const Operand& operand) {
          return known(operand.rank) && known(operand.route);
        })) {}

  Status run() const {
    if (program_.ranks() != bounds_.ranks)
      return bad(fmt::format("the program is for {} ranks, the machine has {}", program_.ranks(), bounds_.ranks));
    if (program_.folded && (!program_.images || program_.images->ranks() != bounds_.ranks || program_.images->images() != bounds_.copies))
      return bad("the program is folded: its lanes stand for those of other ranks");
    for (const auto part : {&ConsistencyChecker::check_sizes, &ConsistencyChecker::check_routes, &ConsistencyChecker::check_lanes}) {
      if (auto ok = (this->*part)(); !ok) return ok;
    }
    for (const auto& lane : program_.lanes) {
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        checking::ask_for_waits(program_, i);
        if (auto fault = fault_of(program_.instructions[i]); !fault.empty()) return bad(checking::name_of(program_, i) + ": " + fault);
      }
    }
    return program_.epilogue ? check_epilogue(*program_.epilogue, program_.collective, program_.payload) : Status{};
  }

 private:
  Status check_sizes() const {
    const auto& [payload, tuning] = std::tie(program_.payload, program_.tuning);
    if (payload.elements < 0 || payload.elements > Payload::most_bytes / size_of(payload.type)) {
      return bad(fmt::format("a payload of {} elements is not between 0 and 2^50 bytes", payload.elements));
    }
    if (tuning.blocks_per_lane < 1 || tuning.blocks_per_lane > Tuning::most_blocks_per_lane)
      return bad(fmt::format("blocks per lane must be from 1 to {}, found {}", Tuning::most_blocks_per_lane, tuning.blocks_per_lane));
    if (tuning.slice.count() < 0 || tuning.slice.count() > Payload::most_bytes || tuning.slices < 0 || tuning.slices > Tuning::most_slices) {
      return bad(fmt::format("slices of {} bytes, or {} of them, are out of range", tuning.slice.count(), tuning.slices));
    }
    if (tuning.slices > 0 && tuning.slice.count() > 0) return bad("slices are given by their bytes or by their number, not both");
    return {};
  }

  Status check_routes() const {
    const auto& offsets = program_.route_offsets;
    if (offsets.empty() || offsets.front() != 0 || !std::ranges::is_sorted(offsets) || offsets.back() > program_.route_links.size()) {
      return bad("the program's routes are inconsistent");
    }
    for (const auto link : program_.route_links) {
      if (link.value < 0 || link.index() >= bounds_.links)
        return bad(fmt::format("a route names link {}, the machine has {}", link.value, bounds_.links));
    }
    return {};
  }

  Status check_lanes() const {
    std::uint64_t first = 0;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      if (!known(lane.rank)) return bad(fmt::format("lane {} belongs to rank {} of {}", l, lane.rank.value, bounds_.ranks));
      if (lane.first != first) return bad(fmt::format("lane {} begins at instruction {}, expected {}", l, lane.first, first));
      first += lane.count;
    }
    if (first == program_.instructions.size()) return {};
    return bad(fmt::format("the lanes hold {} instructions, the program {}", first, program_.instructions.size()));
  }

  std::string fault_of(const Instruction& instruction) const {
    const auto bytes = instruction.bytes;
    if (bytes < 0 || bytes > Payload::most_bytes) return fmt::format("it moves an impossible {} bytes", bytes);
    if (std::uint64_t{instruction.operands} + instruction.sources + instruction.destinations > program_.operands.size()) {
      return "it names operands that are not there";
    }
    if (std::uint64_t{instruction.waits} + instruction.wait_count > program_.waits.size()) return "it names waits that are not there";
    if (!all_operands_known_) {
      for (const auto operands : {program_.sources(instruction), program_.destinations(instruction)}) {
        for (const auto& operand : operands) {
          if (auto fault = fault_of(operand); !fault.empty()) return fault;
        }
      }
    }
    for (const auto& wait : program_.waits_of(instruction)) {
      if (auto fault = fault_of(wait); !fault.empty()) return fault;
    }
    return {};
  }

  std::string fault_of(const Operand& operand) const {
    if (!known(operand.rank)) return fmt::format("there is no rank {}", operand.rank.value);
    if (!known(operand.route)) {
      return fmt::format("there is no route {}", operand.route.value);
    }
    return {};
  }

  std::string fault_of(const Wait& wait) const {
    const auto lanes = program_.lanes.size();
    const auto all = lanes * static_cast<std::size_t>(bounds_.copies);
    if (wait.lane.value < 0 || wait.lane.index() >= all) return fmt::format("it waits for lane {} of {}", wait.lane.value, all);
    const auto& lane = program_.lanes[wait.lane.index() % lanes];
    if (wait.instruction < 0 || static_cast<std::uint32_t>(wait.instruction) >= lane.count) {
      return fmt::format("it waits for instruction {} of lane {}, which has {}", wait.instruction, wait.lane.value, lane.count);
    }
    return {};
  }

  bool known(RouteId route) const { return route.value >= -1 && route.value + 1 < static_cast<std::int64_t>(program_.route_offsets.size()); }
  bool known(Rank rank) const { return rank.value >= 0 && rank.value < bounds_.ranks; }

  const Program& program_;
  const ProgramBounds& bounds_;
  bool all_operands_known_;  // seen in the order in which they lie; else each is looked at with its instruction, which messages name
};

}  // namespace

Status check_consistency(const Program& program, const ProgramBounds& bounds) { return ConsistencyChecker{program, bounds}.run(); }

}  // namespace p2plab
