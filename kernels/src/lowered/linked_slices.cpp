// SPDX-License-Identifier: Apache-2.0
#include "lowered/linked_slices.h"

#include <algorithm>
#include <set>

namespace p2plab {

namespace {

// Values that flags pass through in a call: instruction i of a lane takes [i * per_instruction, ...], one more after each of a part's slices.
struct FlagValues {
  std::uint32_t per_instruction = 1;
  std::uint32_t stride = 1;
  explicit FlagValues(const Program& program) {
    std::int64_t of_block = 1;
    for (const auto& instruction : program.instructions)
      of_block = std::max(of_block, (program.slices(instruction) + program.tuning.blocks_per_lane - 1) / program.tuning.blocks_per_lane);
    std::uint32_t longest = 1;
    for (const auto& lane : program.lanes) longest = std::max(longest, lane.count);
    per_instruction = static_cast<std::uint32_t>(of_block + 1);
    stride = longest * per_instruction + 1;
  }
};

args::Alignment alignment(std::span<const std::uint64_t> operands, std::size_t sources) {
  const auto all_at = [](std::span<const std::uint64_t> addresses, std::uint64_t rest) {
    return std::ranges::all_of(addresses, [=](std::uint64_t address) { return address % 16 == rest; });
  };
  if (all_at(operands, 0)) return args::Alignment::whole;
  const auto destinations = operands.subspan(sources);
  return all_at(destinations, destinations.front() % 16) ? args::Alignment::destinations : args::Alignment::none;
}

class SliceLinker {
 public:
  SliceLinker(const Program& program, const PeerAccess& peer_access, Rank rank, std::span<const RankAddresses> addresses)
      : program_(program), peer_access_(peer_access), rank_(rank), addresses_(addresses), values_(program) {}

  LinkedSlices run() {
    linked_.call.blocks_per_lane = static_cast<std::uint32_t>(program_.tuning.blocks_per_lane);
    linked_.call.stride = values_.stride;
    linked_.call.rank = static_cast<std::uint32_t>(rank_.value);
    collect_waiters();
    std::set<Rank> touched_by;
    std::vector<std::uint64_t> closing;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const LaneId lane{static_cast<std::int64_t>(l)};
      if (program_.lanes[l].rank == rank_) {
        add_lane(lane);
      } else if (touched(lane).contains(rank_)) {
        touched_by.insert(program_.lanes[l].rank);
        closing.push_back(lane_flag(lane, rank_));
        linked_.closing_peers.push_back(program_.lanes[l].rank.value);
      }
    }
    linked_.call.lane_count = static_cast<std::uint32_t>(linked_.lanes.size());
    linked_.call.start_signals = next_address();
    for (const auto other : touched_by) linked_.addresses.push_back(start_flag(rank_, other));
    linked_.call.start_signal_count = next_address() - linked_.call.start_signals;
    linked_.call.closing = next_address();
    linked_.addresses.insert(linked_.addresses.end(), closing.begin(), closing.end());
    linked_.call.closing_count = static_cast<std::uint32_t>(closing.size());
    return std::move(linked_);
  }

 private:
  std::uint32_t next_address() const { return static_cast<std::uint32_t>(linked_.addresses.size()); }

  std::uint64_t flags_at(Rank waiter, Rank signaller) const {
    const auto& at = addresses_[waiter.index()];
    return peer_access_.connected(signaller, waiter) ? at.flags : at.host_flags;
  }
  std::uint64_t start_flag(Rank signaller, Rank waiter) const { return flags_at(waiter, signaller) + signaller.index() * args::flag_stride; }
  std::uint64_t lane_flag(LaneId lane, Rank waiter) const {
    const auto index = program_.memory.size() + lane.index() * static_cast<std::size_t>(program_.tuning.blocks_per_lane);
    return flags_at(waiter, program_.lanes[lane.index()].rank) + index * args::flag_stride;
  }

  // Other ranks whose memory a lane reads or writes.
  std::set<Rank> touched(LaneId id) const {
    std::set<Rank> ranks;
    const auto& lane = program_.lanes[id.index()];
    for (std::uint32_t i = 0; i < lane.count; ++i) {
      const auto& instruction = program_.instructions[lane.first + i];
      const auto count = static_cast<std::uint32_t>(instruction.sources + instruction.destinations);
      for (std::uint32_t o = 0; o < count; ++o) {
        const auto& operand = program_.operands[instruction.operands + o];
        if (operand.rank != rank_of(id)) ranks.insert(operand.rank);
      }
    }
    return ranks;
  }
  Rank rank_of(LaneId lane) const { return program_.lanes[lane.index()].rank; }

  // For every instruction, the ranks that wait for it.
  void collect_waiters() {
    waiters_.resize(program_.instructions.size());
    for (const auto& lane : program_.lanes) {
      for (std::uint32_t i = 0; i < lane.count; ++i) {
        for (const auto& wait : program_.waits_of(program_.instructions[lane.first + i])) {
          waiters_[program_.lanes[wait.lane.index()].first + static_cast<std::size_t>(wait.instruction)].insert(lane.rank);
        }
      }
    }
  }

  void add_lane(LaneId id) {
    const auto& lane = program_.lanes[id.index()];
    args::SliceLane linked{.first = static_cast<std::uint32_t>(linked_.instructions.size()), .count = lane.count};
    for (std::uint32_t i = 0; i < lane.count; ++i) add_instruction(id, i);
    const auto ranks = touched(id);
    linked.start_waits = next_address();
    auto& peers = linked_.start_peers.emplace_back();
    for (const auto other : ranks) {
      linked_.addresses.push_back(start_flag(other, rank_));
      peers.push_back(other.value);
    }
    linked.start_wait_count = static_cast<std::uint32_t>(ranks.size());
    linked.done_signals = next_address();
    for (const auto other : ranks) linked_.addresses.push_back(lane_flag(id, other));
    linked.done_signal_count = static_cast<std::uint32_t>(ranks.size());
    linked_.lanes.push_back(linked);
  }

  std::uint64_t address(const Operand& operand) const {
    return addresses_[operand.rank.index()].buffers[static_cast<std::size_t>(operand.buffer)] + static_cast<std::uint64_t>(operand.offset);
  }

  void add_instruction(LaneId lane, std::uint32_t number) {
    const auto index = program_.lanes[lane.index()].first + number;
    const auto& instruction = program_.instructions[index];
    args::SliceInstruction linked{.bytes = instruction.bytes,
                                  .slice = program_.slice_bytes(instruction),
                                  .operands = next_address(),
                                  .waits = static_cast<std::uint32_t>(linked_.waits.size()),
                                  .wait_count = instruction.wait_count,
                                  .sources = instruction.sources,
                                  .destinations = instruction.destinations,
                                  .divides = static_cast<std::uint8_t>(instruction.divides ? 1 : 0),
                                  .alignment = args::Alignment::none,
                                  .divisor = instruction.divisor,
                                  .first_value = number * values_.per_instruction};
    for (const auto& operand : program_.sources(instruction)) linked_.addresses.push_back(address(operand));
    for (const auto& operand : program_.destinations(instruction)) linked_.addresses.push_back(address(operand));
    const std::span operands{linked_.addresses.data() + linked.operands, linked_.addresses.size() - linked.operands};
    linked.alignment = alignment(operands, linked.sources);
    linked.signals = next_address();
    for (const auto waiter : waiters_[index]) linked_.addresses.push_back(lane_flag(lane, waiter));
    linked.signal_count = static_cast<std::uint16_t>(waiters_[index].size());
    for (const auto& wait : program_.waits_of(instruction)) {
      const auto& awaited = program_.at(wait.lane, wait.instruction);
      linked_.waits.push_back({.flag = lane_flag(wait.lane, rank_),
                               .slices = program_.slices(awaited),
                               .first_value = static_cast<std::uint32_t>(wait.instruction) * values_.per_instruction});
      linked_.origins.push_back({awaited.step, rank_of(wait.lane).value});
    }
    linked_.instructions.push_back(linked);
  }

  const Program& program_;
  const PeerAccess& peer_access_;
  Rank rank_;
  std::span<const RankAddresses> addresses_;
  FlagValues values_;
  std::vector<std::set<Rank>> waiters_;
  LinkedSlices linked_;
};

}  // namespace

std::int64_t flag_bytes(const Program& program) {
  const auto flags = program.memory.size() + program.lanes.size() * static_cast<std::size_t>(program.tuning.blocks_per_lane);
  return static_cast<std::int64_t>(flags * args::flag_stride);
}

LinkedSlices link_slices(const Program& program, const PeerAccess& peer_access, Rank rank, std::span<const RankAddresses> addresses) {
  return SliceLinker{program, peer_access, rank, addresses}.run();
}

}  // namespace p2plab
