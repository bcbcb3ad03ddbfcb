// SPDX-License-Identifier: Apache-2.0
// Packets: 16 bytes on the wire that carry data and say by themselves that it has arrived.
#pragma once

#include <cstdint>
#include <string_view>

#include "p2plab/base/units.h"
#include "p2plab/program/tuning.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// `ll`: a packet is 8 bytes of data and two flags. `ll128`: eight packets are a line of 120 bytes of data and one flag, which must arrive whole.
/// `lamport`: a packet is 16 bytes of data; a slot that still holds the sentinel it was filled with has not arrived.
enum class PacketWire : std::uint8_t { ll, ll128, lamport };
std::string_view to_string(PacketWire wire);  // "LL", "LL128", "Lamport"

/// What is sent as one: so many packets with so many bytes of data.
struct PacketLine {
  std::int64_t packets = 1;
  std::int64_t data = 16;
};
constexpr PacketLine line_of(PacketWire wire) {
  if (wire == PacketWire::ll) return {.packets = 1, .data = 8};
  return wire == PacketWire::ll128 ? PacketLine{.packets = 8, .data = 120} : PacketLine{.packets = 1, .data = 16};
}

/// The protocol whose packets these are.
constexpr Protocol protocol_of(PacketWire wire) {
  if (wire == PacketWire::ll) return Protocol::ll;
  return wire == PacketWire::ll128 ? Protocol::ll128 : Protocol::lamport;
}

inline constexpr std::int64_t packet_bytes = 16;  // on the wire

/// Packets that carry `bytes` of data, in whole lines; and how many of them are full.
constexpr std::int64_t packets_of(PacketWire wire, std::int64_t bytes) {
  const auto line = line_of(wire);
  return (bytes + line.data - 1) / line.data * line.packets;
}
constexpr std::int64_t whole_packets_of(PacketWire wire, std::int64_t bytes) {
  const auto line = line_of(wire);
  return bytes / line.data * line.packets;
}

/// Bytes on the wire for `data` bytes of payload; slices (`simple`, `copy`) add nothing.
Bytes wire_bytes(PacketWire wire, Bytes data);
Bytes wire_bytes(Protocol protocol, Bytes data);

/// Can sums of this payload travel by Lamport packets? The sentinel is -0.0, which sums of floating-point numbers turn into 0.0; other data could
/// hold any bits.
bool can_be_lamport(const Payload& payload);

/// How a GPU divides packets among its threads: so many at once, a packet each; threads of one group keep in step, groups run ahead of each other.
/// Where a thread has more packets it takes them in rounds (packet_stages).
inline constexpr std::int64_t packet_threads_of_multiprocessor = 1024;
inline constexpr std::int64_t packet_threads = 128 * packet_threads_of_multiprocessor;
inline constexpr std::int64_t packet_group = 512;
/// A long program's columns of threads: so many at most, of which each thread has one packet, and as many as an A100 has room for, so that later GPUs
/// have, too. No code is made for such programs, and the interpreter's registers let a multiprocessor have half as many threads. A column's are whole
/// warps, and from a block on whole blocks.
inline constexpr std::int32_t most_packet_columns = 256;
inline constexpr std::int64_t column_threads_of_multiprocessor = packet_threads_of_multiprocessor / 2;
inline constexpr std::int64_t column_threads = 108 * column_threads_of_multiprocessor;
inline constexpr std::int64_t packet_block = 128;
constexpr std::int64_t threads_of_column(std::int64_t packets) {
  constexpr std::int64_t warp = 32;
  const auto unit = packets > packet_block / 2 ? packet_block : packets > warp ? packet_block / 2 : warp;
  return (packets > unit ? packets + unit - 1 : unit) / unit * unit;
}

}  // namespace p2plab
