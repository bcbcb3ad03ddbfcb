// SPDX-License-Identifier: Apache-2.0
// Finds the slices and transfers of a recording, and what its program's instructions became when compiled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compile/compiled.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

class SliceIndex {
 public:
  static constexpr std::size_t none = ~std::size_t{0};

  SliceIndex(const Compiled& compiled, const Program& program, const Recording& recording);

  /// The slice before or after this one in its thread block, or none.
  std::size_t before(std::size_t slice) const { return slice > 0 && same_block(slice - 1, slice) ? slice - 1 : none; }
  /// Slice `slice` of an instruction, which must have so many.
  std::size_t of(std::uint32_t instruction, std::int64_t slice) const;
  /// The transfers of a slice, hop after hop; those of several operands mixed.
  std::span<const std::uint32_t> hops(std::size_t slice) const& {
    return {hops_.data() + first_hop_[slice], first_hop_[slice + 1] - first_hop_[slice]};
  }
  std::span<const std::uint32_t> hops(std::size_t slice) && = delete;

  /// An instruction as a thread block sees it.
  const Work& work(std::uint32_t instruction) const {
    const auto lane = lane_of_[instruction];
    return compiled_.works[compiled_.lanes[lane].first + instruction - program_.lanes[lane].first];
  }
  /// What a wait costs between two ranks.
  std::int64_t signal(Rank from, Rank to) const {
    return from == to ? compiled_.program_costs.front().signal_local : compiled_.program_costs.front().signal_peer;
  }
  /// The path of one of an instruction's operands; null for a local one.
  const Path* path(std::uint32_t instruction, std::uint32_t operand) const;

 private:
  bool same_block(std::size_t a, std::size_t b) const { return recording_.slices[a].block == recording_.slices[b].block; }
  const Compiled& compiled_;
  const Program& program_;
  const Recording& recording_;
  std::vector<std::uint32_t> lane_of_;  // by instruction
  std::vector<std::size_t> first_;      // [instruction * blocks_per_lane + part]
  std::vector<std::size_t> first_hop_;  // by slice, CSR into hops_
  std::vector<std::uint32_t> hops_;     // indices into Recording::hops
};

}  // namespace p2plab
