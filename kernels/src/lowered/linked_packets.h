// SPDX-License-Identifier: Apache-2.0
// Links a packet program for one rank: operands become addresses, items that are loaded together become waves of sources.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "lowered/kernel_args.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

/// Where a rank's memory lies, as the linked rank sees it.
struct RankAddresses {
  std::array<std::uint64_t, 4> buffers = {};  // by Buffer
  std::uint64_t landing = 0;                  // copy 0 of its landing area
  std::uint64_t host_landing = 0;
  std::uint64_t token = 0;  // a few bytes that are no empty packet
  std::uint64_t flags = 0;  // slice execution: in its own memory, and in its host memory
  std::uint64_t host_flags = 0;
  std::uint64_t reports = 0;  // rank 0's: one HangReport a rank, report_bytes apart, then the abort word
  bool of_caller = false;     // each call names input and output: their addresses here are 0
};

/// Which step and which other rank a source belongs to, for reports of what a hung thread waited for.
struct SourceOrigin {
  StepId step;
  std::int32_t peer = -1;
};

/// A parameter of a kernel (packet_parameters) that counts from the start of a buffer which each call names.
struct CallersAddress {
  std::size_t parameter = 0;
  Buffer buffer = Buffer::input;
};

struct LinkedPackets {
  std::vector<args::PacketWave> waves;  // column after column, as `columns` says
  std::vector<args::PacketSource> sources;
  std::vector<args::PacketStore> stores;
  std::vector<args::ColumnTables> columns;  // as many as the program has, also where a rank has nothing to do in one
  std::vector<SourceOrigin> origins;        // per source
  std::vector<std::uint8_t> stages;         // per wave, as packet_stages says
  std::vector<CallersAddress> of_caller;    // where the linked rank's buffers are those of a call
  std::int32_t divisor = 1;
  std::uint32_t whole_packets = 0;  // so many are whole in every item, with aligned addresses
};

/// Bytes of one copy of the largest landing area, where packets travel by `wire`.
std::int64_t landing_area(const PacketProgram& program, PacketWire wire);
std::int64_t host_landing_area(const PacketProgram& program, PacketWire wire);

/// The packets of one rank: its items in order, at most `width` sources to a wave. By `wire`, which may be LL for a program of LL128. `stages`: those
/// of the rank's items (packet_stages), or none: all are 0.
LinkedPackets link_packets(const PacketProgram& program, Rank rank, std::span<const RankAddresses> addresses, PacketWire wire,
                           int width = args::packet_width, std::span<const std::uint8_t> stages = {});

}  // namespace p2plab
