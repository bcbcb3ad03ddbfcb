// SPDX-License-Identifier: Apache-2.0
#include "lowering/chunk_groups.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "p2plab/base/sets.h"

namespace p2plab {

ChunkGroups::ChunkGroups(const Schedule& schedule, const Proof& proof) {
  Sets sets(schedule.base_chunk_count());
  std::map<std::tuple<Rank, Buffer, std::uint32_t>, std::size_t> in_slots;
  for (std::size_t b = 0; b < schedule.base_step_count(); ++b) {
    const StepId step{static_cast<std::int64_t>(b)};
    const auto chunk = proof.chunk(schedule.folding().id_of(0, step)).index();
    for (const auto& location : schedule.base_step(step).destinations) {
      if (location.buffer != Buffer::scratch && location.buffer != Buffer::host) continue;
      sets.join(chunk, in_slots.try_emplace({location.rank, location.buffer, location.slot}, chunk).first->second);
    }
  }
  std::map<std::size_t, std::size_t> numbers;
  for (std::size_t c = 0; c < schedule.base_chunk_count(); ++c) groups_.push_back(numbers.try_emplace(sets.of(c), numbers.size()).first->second);
  count_ = numbers.size();
}

namespace {

class ByGroup {
 public:
  ByGroup(const Program& program, const Proof& proof, const ChunkGroups& groups) : from_(program), to_(program) {
    for (const auto& instruction : program.instructions) {
      // Tokens of packets are of no step, and touch no data.
      groups_.push_back(instruction.step.value < 0 ? groups.count() : groups.of(proof.chunk(instruction.step)));
    }
  }

  Program run() {
    split_lanes();
    for (auto& instruction : to_.instructions)
      instruction = from_.instructions[came_from_[static_cast<std::size_t>(&instruction - to_.instructions.data())]];
    move_waits();
    return std::move(to_);
  }

 private:
  void split_lanes() {
    to_.lanes.clear();
    places_.resize(from_.instructions.size());
    std::vector<std::uint32_t> in_lane;
    for (const auto& lane : from_.lanes) {
      in_lane.clear();
      for (auto i = lane.first; i < lane.first + lane.count; ++i) in_lane.push_back(i);
      std::ranges::stable_sort(in_lane, {}, [&](std::uint32_t i) { return groups_[i]; });
      for (std::size_t at = 0; at < in_lane.size(); ++at) {
        if (at == 0 || groups_[in_lane[at]] != groups_[in_lane[at - 1]])
          to_.lanes.push_back({lane.rank, static_cast<std::uint32_t>(came_from_.size()), 0});
        const LaneId mine{static_cast<std::int64_t>(to_.lanes.size() - 1)};
        places_[in_lane[at]] = {mine, static_cast<std::int32_t>(to_.lanes.back().count++)};
        came_from_.push_back(in_lane[at]);
      }
    }
  }

  void move_waits() {
    to_.waits.clear();
    for (std::size_t i = 0; i < came_from_.size(); ++i) {
      auto& instruction = to_.instructions[i];
      const auto waits = from_.waits_of(from_.instructions[came_from_[i]]);
      instruction.waits = static_cast<std::uint32_t>(to_.waits.size());
      for (const auto& wait : waits) {
        const auto awaited = from_.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction);
        if (groups_[awaited] == groups_[came_from_[i]]) to_.waits.push_back(places_[awaited]);
      }
      instruction.wait_count = static_cast<std::uint32_t>(to_.waits.size()) - instruction.waits;
    }
  }

  const Program& from_;
  Program to_;
  std::vector<std::size_t> groups_;       // by instruction
  std::vector<Wait> places_;              // by instruction: where it goes
  std::vector<std::uint32_t> came_from_;  // by instruction of the result
};

}  // namespace

Program lanes_by_group(const Program& program, const Proof& proof, const ChunkGroups& groups) { return ByGroup{program, proof, groups}.run(); }

}  // namespace p2plab
