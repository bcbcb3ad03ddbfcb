// SPDX-License-Identifier: Apache-2.0
// Links a program for execution slice by slice: operands and flags become addresses, waits become values that flags must peer_access.
#pragma once

#include <span>
#include <vector>

#include "lowered/kernel_args.h"
#include "lowered/linked_packets.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// A rank's lanes, ready for its memory.
struct LinkedSlices {
  std::vector<args::SliceLane> lanes;
  std::vector<args::SliceInstruction> instructions;
  std::vector<args::SliceWait> waits;
  std::vector<std::uint64_t> addresses;
  std::vector<SourceOrigin> origins;                   // per wait: the awaited step and its rank
  std::vector<std::vector<std::int32_t>> start_peers;  // per lane, per start flag
  std::vector<std::int32_t> closing_peers;             // per closing flag
  args::SliceCall call;                                // all numbers set; pointers and addresses of reports are not
};

/// Bytes of the flags that a rank needs, in its memory and again in its host memory if some rank cannot reach it directly.
std::int64_t flag_bytes(const Program& program);

/// The lanes of one rank. Flags between ranks that do not reach each other lie in the waiting rank's host memory.
LinkedSlices link_slices(const Program& program, const PeerAccess& peer_access, Rank rank, std::span<const RankAddresses> addresses);

}  // namespace p2plab
