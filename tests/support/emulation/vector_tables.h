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
  args::ColumnTables first = {};  // of the column
  args::ColumnTables column(std::uint32_t i) const { return tables->columns[i]; }
  VectorTables from(const args::ColumnTables& mine) const { return {tables, mine}; }
  const args::PacketWave& wave(std::uint32_t i) const { return tables->waves[first.wave + i]; }
  std::uint64_t source_address(std::uint32_t i) const { return tables->sources[first.source + i].address; }
  std::uint32_t source_bytes(std::uint32_t i) const { return tables->sources[first.source + i].bytes; }
  std::uint64_t store_address(std::uint32_t i) const { return store(i) & args::store_address; }
  bool store_lands(std::uint32_t i) const { return (store(i) & args::store_lands) != 0; }
  std::uint32_t store_source(std::uint32_t i) const { return args::store_source(store(i)); }

 private:
  args::PacketStore store(std::uint32_t i) const { return tables->stores[first.store + i]; }
};

/// The same with steps noted.
struct NotingTables : VectorTables {
  static constexpr bool steps = true;
};

}  // namespace p2plab::test
