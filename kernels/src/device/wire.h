// SPDX-License-Identifier: Apache-2.0
// How a packet of 16 bytes on the wire carries data and tells that it has arrived.
#pragma once

#include "device/words.h"

namespace p2plab::device {

// A wire says: how many threads share an arrival (`threads`); where packet `position` has its data (`offset`, and `start` of what arrives with it),
// and how many bytes (at most words * 4); wrap, arrived, unwrap; whether landing slots must be cleared, and what an empty slot shows.

/// Eight bytes of data, each four followed by the number of the call: right for any data. Relies on 8-byte stores arriving whole.
struct LlWire {
  static constexpr int words = 2;  // of data
  static constexpr int threads = 1;
  static constexpr bool clears = false;
  static constexpr std::uint64_t start(std::uint32_t position) { return std::uint64_t{position} * 8; }
  static constexpr std::uint64_t offset(std::uint32_t position) { return start(position); }
  static constexpr int bytes(std::uint32_t) { return 8; }
  static constexpr Words<4> wrap(const Words<2>& data, std::uint32_t epoch, std::uint32_t) { return {{data.w[0], epoch + 1, data.w[1], epoch + 1}}; }
  static constexpr bool arrived(const Words<4>& packet, std::uint32_t epoch, std::uint32_t) {
    return packet.w[1] == epoch + 1 && packet.w[3] == epoch + 1;
  }
  static constexpr Words<2> unwrap(const Words<4>& packet) { return {{packet.w[0], packet.w[2]}}; }
  static constexpr Words<4> empty() { return {}; }
};

/// Sixteen bytes of data; a slot that shows -0.0 has not arrived. So -0.0 in the data must become
/// +0.0 first (tidy of the arithmetic), which is equal to it. Floating-point types only; `Bytes` is the size of one element. Relies on stores of one
/// element (or four bytes, if that is more) arriving whole.
template <int Bytes>
struct LamportWire {
  static constexpr int words = 4;
  static constexpr int threads = 1;
  static constexpr bool clears = true;
  static constexpr std::uint64_t start(std::uint32_t position) { return std::uint64_t{position} * 16; }
  static constexpr std::uint64_t offset(std::uint32_t position) { return start(position); }
  static constexpr int bytes(std::uint32_t) { return 16; }
  static constexpr Words<4> wrap(const Words<4>& data, std::uint32_t, std::uint32_t) { return data; }
  static constexpr Words<4> unwrap(const Words<4>& packet) { return packet; }

  static constexpr bool arrived(const Words<4>& packet, std::uint32_t, std::uint32_t) {
    const auto& w = packet.w;
    if constexpr (Bytes == 8) return (w[0] != 0 || w[1] != 0x80000000U) && (w[2] != 0 || w[3] != 0x80000000U);
    constexpr std::uint32_t none = Bytes == 2 ? 0x80008000U : 0x80000000U;
    return w[0] != none && w[1] != none && w[2] != none && w[3] != none;
  }

  static constexpr Words<4> empty() {
    if constexpr (Bytes == 2) return {{0x80008000U, 0x80008000U, 0x80008000U, 0x80008000U}};
    if constexpr (Bytes == 4) return {{0x80000000U, 0x80000000U, 0x80000000U, 0x80000000U}};
    return {{0, 0x80000000U, 0, 0x80000000U}};
  }
};

/// Eight threads carry a line of 128 bytes: 120 of data, and in the last eight the number of the call: right for any data. Relies on a line that
/// eight neighbouring threads of a warp store with one instruction arriving whole, as it does over NVLink; not over PCIe.
struct Ll128Wire {
  static constexpr int words = 4;
  static constexpr int threads = 8;
  static constexpr int line_bytes = 120;
  static constexpr bool clears = false;
  static constexpr bool flagged(std::uint32_t position) { return position % threads == threads - 1; }
  static constexpr std::uint64_t start(std::uint32_t position) { return std::uint64_t{position / threads} * line_bytes; }
  static constexpr std::uint64_t offset(std::uint32_t position) { return start(position) + position % threads * 16; }
  static constexpr int bytes(std::uint32_t position) { return flagged(position) ? 8 : 16; }
  static constexpr Words<4> wrap(const Words<4>& data, std::uint32_t epoch, std::uint32_t position) {
    return flagged(position) ? Words<4>{{data.w[0], data.w[1], epoch + 1, epoch + 1}} : data;
  }
  static constexpr bool arrived(const Words<4>& packet, std::uint32_t epoch, std::uint32_t position) {
    return !flagged(position) || (packet.w[2] == epoch + 1 && packet.w[3] == epoch + 1);
  }
  static constexpr Words<4> unwrap(const Words<4>& packet) { return packet; }
  static constexpr Words<4> empty() { return {}; }
};

/// The data of packet `position`, all of it there and aligned, of what begins at `from`.
template <class Machine, class Wire>
constexpr Words<Wire::words> load_packet(std::uint64_t from, std::uint32_t position) {
  const auto address = from + Wire::offset(position);
  if constexpr (Wire::threads == 1) {
    return Machine::template load<Wire::words>(address);
  } else {
    // Every second line begins at an odd multiple of eight.
    const auto low = Machine::template load<2>(address);
    const auto high = Wire::bytes(position) > 8 ? Machine::template load<2>(address + 8) : Words<2>{};
    return {{low.w[0], low.w[1], high.w[0], high.w[1]}};
  }
}
template <class Machine, class Wire>
constexpr void store_packet_data(std::uint64_t to, const Words<Wire::words>& value, std::uint32_t position) {
  const auto address = to + Wire::offset(position);
  if constexpr (Wire::threads == 1) {
    Machine::template store<Wire::words>(address, value);
  } else {
    Machine::template store<2>(address, {{value.w[0], value.w[1]}});
    if (Wire::bytes(position) > 8) Machine::template store<2>(address + 8, {{value.w[2], value.w[3]}});
  }
}

/// The same of an item of `size` bytes at any address, whatever of the packet there is. Threads of a line, and mostly those of a warp, do the same.
template <class Machine, class Wire>
constexpr Words<Wire::words> load_cut_packet(std::uint64_t from, std::uint32_t position, std::uint32_t size) {
  const auto offset = Wire::offset(position);
  if (offset >= size) return {};
  const auto left = static_cast<std::int64_t>(size - offset);
  const auto bytes = Wire::bytes(position);
  if constexpr (Wire::threads > 1) {
    const bool aligned = from % 8 == 0;
    if (aligned ? left >= bytes : left >= bytes + 8 && offset > 0) return load_split<Machine, Wire::words>(from + offset, bytes);
    return load_odd<Machine, Wire::words>(from + offset, left < bytes ? static_cast<int>(left) : bytes);
  } else {
    return load_some<Machine, Wire::words>(from + offset, left, static_cast<std::int64_t>(offset));
  }
}
template <class Machine, class Wire>
constexpr void store_cut_packet(std::uint64_t to, const Words<Wire::words>& value, std::uint32_t position, std::uint32_t size) {
  const auto offset = Wire::offset(position);
  if (offset >= size) return;
  const auto left = static_cast<std::int64_t>(size - offset);
  const auto bytes = Wire::bytes(position);
  if constexpr (Wire::threads > 1) {
    if (left >= bytes) return store_split<Machine>(to + offset, value, bytes);
    store_odd<Machine, Wire::words>(to + offset, value, static_cast<int>(left));
  } else {
    store_some<Machine, Wire::words>(to + offset, value, left);
  }
}

}  // namespace p2plab::device
