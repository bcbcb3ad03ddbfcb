// SPDX-License-Identifier: Apache-2.0
// A program rewritten for execution element by element: every thread carries its packet through all steps of its rank, and data announces its
// own arrival. Each remote write becomes a message into a landing slot that is written once a call and read by one rank; a remote read becomes a
// message that the owner sends. So only true data dependencies are left, and list order keeps every rank from waiting in a circle.
#pragma once

#include <cstdint>
#include <vector>

#include "lowered/peer_access.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// Where a packet comes from or goes to.
enum class PacketPlace : std::uint8_t { memory, landing, host_landing, token };

/// An end of a packet move. `offset` counts data bytes: in the rank's buffer for `memory`, in the rank's landing area otherwise.
struct PacketOperand {
  PacketPlace place = PacketPlace::memory;
  Rank rank;
  Buffer buffer = Buffer::input;
  std::int64_t offset = 0;
};

/// Whether it is a slot that a message lands in.
inline bool is_landing(const PacketOperand& operand) { return operand.place == PacketPlace::landing || operand.place == PacketPlace::host_landing; }

/// One step as its executor's threads see it: read the sources (waiting for those that land), add, write the sum.
struct PacketItem {
  StepId step;
  std::int64_t order = 0;  // place in the schedule's list order, for all ranks together
  std::int64_t bytes = 0;
  bool divides = false;
  std::int32_t divisor = 1;
  std::vector<PacketOperand> sources;
  std::vector<PacketOperand> destinations;

  /// Does it wait for data of other ranks?
  bool lands() const;
  /// Does it send data to other ranks?
  bool sends() const;
};

/// The items of every rank in list order, and how many bytes of landing slots each rank needs for one call (in its own memory, and in its
/// pinned host memory for data that may not go directly).
struct PacketPlan {
  std::vector<std::vector<PacketItem>> ranks;
  std::vector<std::int64_t> landing;
  std::vector<std::int64_t> host_landing;
  std::int64_t most_bytes = 0;  // of any item: how many packets a call has
};

/// Rewrites a program. Messages between ranks that do not reach each other land in the receiver's pinned host memory.
/// `ll128`: packets may travel as LL128 lines of 120 bytes.
PacketPlan make_packet_plan(const Program& program, const PeerAccess& peer_access, bool ll128 = false);

}  // namespace p2plab
