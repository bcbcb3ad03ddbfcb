// How a packet of 16 bytes on the wire carries data and tells that it has arrived.
#pragma once

#include "device/words.h"

namespace p2plab::device {

/// Eight bytes of data, each four followed by the number of the call: right for any data. Relies on 8-byte stores arriving whole.
struct FlaggedWire {
  static constexpr int words = 2;  // of data
  static constexpr bool clears = false;
  static constexpr Words<4> wrap(const Words<2>& data, std::uint32_t epoch) { return {{data.w[0], epoch + 1, data.w[1], epoch + 1}}; }
  static constexpr bool arrived(const Words<4>& packet, std::uint32_t epoch) { return packet.w[1] == epoch + 1 && packet.w[3] == epoch + 1; }
  static constexpr Words<2> unwrap(const Words<4>& packet) { return {{packet.w[0], packet.w[2]}}; }
  static constexpr Words<4> empty() { return {}; }
};

/// Sixteen bytes of data; a slot that shows -0.0 has not arrived. So -0.0 in the data must become
/// +0.0 first (tidy of the arithmetic), which is equal to it. Floating-point types only; `Bytes` is the size of one element. Relies on stores of one
/// element (or four bytes, if that is more) arriving whole.
template <int Bytes>
struct SentinelWire {
  static constexpr int words = 4;
  static constexpr bool clears = true;
  static constexpr Words<4> wrap(const Words<4>& data, std::uint32_t) { return data; }
  static constexpr Words<4> unwrap(const Words<4>& packet) { return packet; }

  static constexpr bool arrived(const Words<4>& packet, std::uint32_t) {
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

}  // namespace p2plab::device
