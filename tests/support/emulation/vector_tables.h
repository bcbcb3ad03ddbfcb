// SPDX-License-Identifier: Apache-2.0
// Tables of the packet interpreter as the linker leaves them.
#pragma once

#include "lowered/linked_packets.h"

namespace p2plab::test {

struct VectorTables {
  static constexpr int width = args::packet_width;
  static constexpr int waves = -1;
  static constexpr int stores = -1;
  static constexpr bool odd = true;
  static constexpr bool once = false;
  static constexpr bool recorded = true;
  static constexpr bool steps = false;

  const LinkedPackets* tables;
  const args::PacketWave& wave(std::uint32_t i) const { return tables->waves[i]; }
  std::uint64_t source_address(std::uint32_t i) const { return tables->sources[i].address; }
  std::uint32_t source_bytes(std::uint32_t i) const { return tables->sources[i].bytes; }
  std::uint64_t store_address(std::uint32_t i) const { return tables->stores[i] & args::store_address; }
  bool store_lands(std::uint32_t i) const { return (tables->stores[i] & args::store_lands) != 0; }
  std::uint32_t store_source(std::uint32_t i) const { return args::store_source(tables->stores[i]); }
};

/// The same with steps noted.
struct NotingTables : VectorTables {
  static constexpr bool steps = true;
};

}  // namespace p2plab::test
