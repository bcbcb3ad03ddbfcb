// SPDX-License-Identifier: Apache-2.0
// A program for execution packet by packet: every thread carries its packet through all steps of its rank, and data announces its own arrival.
// Each remote write becomes a message into a landing slot that is written once a call and read by one rank; a remote read becomes a message that
// the owner sends. So only true data dependencies are left, and list order keeps every rank from waiting in a circle.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "p2plab/program/packet_wire.h"
#include "p2plab/program/peer_access.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// Where a packet comes from or goes to: a rank's buffer, a landing slot in a GPU's memory or in pinned host memory, or the token, a constant.
enum class PacketPlace : std::uint8_t { memory, landing, host_landing, token };

/// An end of a packet move. `offset` counts data bytes: in the rank's buffer for `memory`, in the rank's landing area otherwise.
struct PacketOperand {
  PacketPlace place = PacketPlace::memory;
  Rank rank;
  Buffer buffer = Buffer::input;
  std::int32_t image = 0;  // of a landing slot of a folded program: whose message it is
  std::int64_t offset = 0;
  std::int32_t message = -1;      // of a landing slot: which message lands there
  RouteId route = default_route;  // of a landing slot: the links that the plan names for this access
};

/// Whether it is a slot that a message lands in.
inline bool is_landing(const PacketOperand& operand) { return operand.place == PacketPlace::landing || operand.place == PacketPlace::host_landing; }

/// One step as its executor's threads see it: read the sources (waiting for those that land), add, write the sum.
struct PacketItem {
  StepId step;             // negative: a token
  std::int64_t order = 0;  // place in the schedule's list order, for all ranks together; the same for ranks that do the same
  std::int64_t bytes = 0;
  bool divides = false;
  bool joins = false;  // a copy whose packets are loaded, and waited for, together with those of the item before in its column
  std::int32_t divisor = 1;
  std::int32_t column = 0;  // of threads, which takes it
  std::vector<PacketOperand> sources = {};
  std::vector<PacketOperand> destinations = {};

  /// Does it wait for data of other ranks?
  bool lands() const;
  /// Does it send data to other ranks?
  bool sends() const;
  bool adds() const { return sources.size() > 1 || divides; }
  /// Does it only tell another rank that this one has begun the call?
  bool is_token() const { return step.value < 0; }
};

/// Who sends what lands in a slot, and who reads it.
struct PacketMessage {
  Rank from;
  Rank to;
};

/// The items of every rank, column after column, each in order, and how many bytes of landing slots each rank needs for one call (in its own memory,
/// and in its pinned host memory for data that may not go directly).
struct PacketProgram {
  PacketWire wire = PacketWire::ll;
  std::vector<std::vector<PacketItem>> ranks;
  std::vector<PacketMessage> messages;  // by number
  std::vector<std::int64_t> landing;
  std::vector<std::int64_t> host_landing;
  std::int64_t most_bytes = 0;  // of any item: how many packets a call has
  /// Each rank's threads are parted into so many columns. Each column takes its own items, and nothing orders one after another.
  std::int32_t columns = 1;
  /// Only the representatives of Program::images have items, and operands say of which image a message is. `messages` are those of image 0.
  bool folded = false;

  /// Do all messages land where their sender may write? False for a program made for GPUs that reach more than these.
  bool fits(const PeerAccess& peer_access) const;
};

/// Items [first, end) of a rank: those of one column of its threads.
struct PacketColumn {
  Rank rank;
  std::uint32_t first = 0;
  std::uint32_t end = 0;
};

/// The columns of all ranks that have items, by rank.
std::vector<PacketColumn> columns_of(const PacketProgram& program);

/// How many of a program's columns so many threads take at once, each thread a packet of the longest item: one at least.
std::int32_t columns_that_fit(const PacketProgram& program, std::int64_t threads);

/// The same program in at most so many columns, as by GPUs that have too few threads for more. Those that become one take their items in list order.
PacketProgram in_columns(PacketProgram program, std::int32_t most);

/// The packet program of `program`, which is not folded, whatever its protocol. Messages between ranks that do not reach each other land in the
/// receiver's pinned host memory. An LL128 program may travel as LL, too: its slots suit both. With images (Program::images), ranks that do the same
/// have their items in the same order.
PacketProgram make_packet_program(const Program& program, const PeerAccess& peer_access, PacketWire wire);

/// The stage of every item of every rank: 0 if nothing that it needs is sent by others, else one more than the latest stage of those who send. Items
/// of a column have rising stages, items that are loaded together the same. Threads with several packets take them in rounds: at time t the items of
/// stage s take round t - s. So what a rank waits for at one time was sent at an earlier one, and no order of ranks ends in a circle. Empty for a
/// program of more than 256 stages.
std::vector<std::vector<std::uint8_t>> packet_stages(const PacketProgram& program);

/// How `program` runs on GPUs with this peer access: packet by packet by the program returned, or, if that is null, slice by slice. Protocols ll,
/// ll128 and lamport are packets; `simple` is, too, where some step touches memory that its rank does not reach: no slice could go there. Lamport
/// carries only sums that have its sentinel (can_be_lamport), LL128 only goes where lines arrive whole; what they cannot carry goes by LL.
std::shared_ptr<const PacketProgram> choose_packets(const Program& program, const PeerAccess& peer_access);

}  // namespace p2plab
