// SPDX-License-Identifier: Apache-2.0
// The stages as one program, for their proof.
#include <algorithm>

#include <fmt/format.h>

#include "p2plab/program/check.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/layout.h"
#include "segments/parts.h"

namespace p2plab::segments {

namespace {

class Joining {
 public:
  Joining(const Program& whole, const Parts& parts) : whole_(whole), parts_(parts), awaited_(waits_within_stages(whole, parts)) {}

  Status await_earlier_stages(const Dependencies& dependencies) {
    std::vector<StepId> memory;
    for (std::size_t step = 0; step < parts_.instruction.size(); ++step) {
      const auto own = parts_.instruction[step];
      if (own == dropped) continue;
      for (const auto before : dependencies.of(StepId{static_cast<std::int64_t>(step)}, memory)) {
        const auto other = parts_.instruction[before.index()];
        if (other == dropped) continue;
        if (auto promised = await(own, other); !promised) return promised;
      }
    }
    return {};
  }

  std::vector<PickedLane> lanes() const {
    std::vector<PickedLane> lanes;
    std::vector<PickedLane> ends;
    for (const auto& lane : whole_.lanes) {
      PickedLane local{lane.rank, {}};
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        if (parts_.of[i].role == Role::local)
          local.instructions.push_back(i);
        else
          ends.push_back({lane.rank, {i}});
      }
      if (!local.instructions.empty()) lanes.push_back(std::move(local));
    }
    lanes.insert(lanes.end(), ends.begin(), ends.end());
    return lanes;
  }
  const Awaited& awaited() const { return awaited_; }

 private:
  // Which memory an instruction touches: that of the rank at its end, if it is one of a message; the wire is the transport's.
  bool touches(std::uint32_t index, Rank rank) const {
    const auto& part = parts_.of[index];
    if (part.role != Role::local) return part.rank == rank;
    const auto& instruction = whole_.instructions[index];
    const auto of_rank = [&](const Operand& operand) { return operand.rank == rank; };
    return std::ranges::any_of(whole_.sources(instruction), of_rank) || std::ranges::any_of(whole_.destinations(instruction), of_rank);
  }
  bool share_memory(std::uint32_t a, std::uint32_t b) const {
    if (parts_.of[a].role != Role::local) return touches(b, parts_.of[a].rank);
    const auto& instruction = whole_.instructions[a];
    const auto touched = [&](const Operand& operand) { return touches(b, operand.rank); };
    return std::ranges::any_of(whole_.sources(instruction), touched) || std::ranges::any_of(whole_.destinations(instruction), touched);
  }

  Status await(std::uint32_t own, std::uint32_t other) {
    const auto& later = parts_.of[own];
    const auto& earlier = parts_.of[other];
    const bool carried = later.role == Role::receive && earlier.role == Role::send && later.time == earlier.time &&
                         whole_.instructions[own].step.value == whole_.instructions[other].step.value + 1;
    const bool same_segment = later.role == Role::local && later.time == earlier.time;  // the segment's own waits see to it
    if (same_segment) return {};
    if (!carried && !(earlier.time < later.time && share_memory(other, own))) {
      return Error{ErrorCode::verification_failed,
                   fmt::format("step {} of rank {} must come after step {} of rank {}, but no stage and no message says so",
                               whole_.instructions[own].step.value, later.rank.value, whole_.instructions[other].step.value, earlier.rank.value)};
    }
    if (lane_of(own) != lane_of(other)) awaited_[own].push_back(other);
    return {};
  }
  // Of the joined program: ends of messages have one each.
  std::pair<bool, std::int64_t> lane_of(std::uint32_t index) const {
    if (parts_.of[index].role != Role::local) return {true, index};
    const auto lane = std::ranges::upper_bound(whole_.lanes, index, {}, &Lane::first) - 1;
    return {false, lane - whole_.lanes.begin()};
  }

  const Program& whole_;
  const Parts& parts_;
  Awaited awaited_;
};

}  // namespace

Result<Program> join_stages(const Program& whole, const Parts& parts, const Schedule& schedule) {
  StepLoads loads{.left_out = std::vector<bool>(parts.instruction.size()), .bytes = std::vector<std::int64_t>(parts.instruction.size())};
  for (std::size_t step = 0; step < parts.instruction.size(); ++step) {
    loads.left_out[step] = parts.instruction[step] == dropped;
    if (!loads.left_out[step]) loads.bytes[step] = whole.instructions[parts.instruction[step]].bytes;
  }
  Joining joining(whole, parts);
  if (auto promised = joining.await_earlier_stages(Dependencies(schedule, whole.in_place, loads)); !promised) return std::move(promised).error();
  return pick(whole, joining.lanes(), joining.awaited());
}

}  // namespace p2plab::segments
