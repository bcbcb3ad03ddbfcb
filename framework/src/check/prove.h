// SPDX-License-Identifier: Apache-2.0
// The heart of the checkers of programs and of packet programs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "p2plab/program/check.h"

namespace p2plab::checking {

/// Which bytes of each block a program owes.
class Owed {
 public:
  /// All of every block.
  Owed() = default;
  /// By block, ranges of its bytes that rise.
  explicit Owed(std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> ranges) : all_(false), ranges_(std::move(ranges)) {}

  bool any_of(std::size_t block) const { return all_ || !ranges_[block].empty(); }
  /// Of bytes [begin, end) of the block.
  bool any_of(std::size_t block, std::int64_t begin, std::int64_t end) const {
    if (all_) return true;
    const auto& ranges = ranges_[block];
    const auto after = std::upper_bound(ranges.begin(), ranges.end(), begin, [](std::int64_t at, const auto& range) { return at < range.second; });
    return after != ranges.end() && after->first < end;
  }

 private:
  bool all_ = true;
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> ranges_;
};

/// Of a program whose indices and byte ranges lie inside what it states: that no instruction waits for itself, that accesses to the same bytes are
/// ordered, that only what is there is read and added, and that outputs end as the contract, whose blocks are given, wants them.
/// Error verification_failed, as for `check`.
Result<ProgramProof> prove_accesses(const Program& program, std::vector<Block> blocks, const Owed& owed = {});

/// `check` of a program that owes only these bytes.
Result<ProgramProof> check_owed(const Topology& topology, const Program& program, const Owed& owed);

/// A change of the program that packets are checked as: one that takes order away.
using LessOrder = std::function<Program(const Program&)>;

/// `check_packets` of packets that owe only these bytes, within one call: what a next one may overwrite is not looked at.
Result<ProgramProof> check_packets_of_call(const PeerAccess& peer_access, const Program& program, const PacketProgram& packets, const Owed& owed,
                                           const LessOrder& less_order = {});

/// That no rank, when a call ends, may write into slots that are still read. Of packets that hold within a call, written out as a program: a lane for
/// each column, an instruction for each item.
Status check_next_call(const PacketProgram& packets, const Program& as_program);

}  // namespace p2plab::checking
