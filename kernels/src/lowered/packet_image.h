// SPDX-License-Identifier: Apache-2.0
// Links a packet plan for one rank: operands become addresses, items become waves of sources.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "lowered/kernel_args.h"
#include "lowered/packet_plan.h"

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
};

/// Which step and which other rank a source belongs to, for reports of what a hung thread waited for.
struct SourceOrigin {
  StepId step;
  std::int32_t peer = -1;
};

struct PacketImage {
  std::vector<image::PacketWave> waves;
  std::vector<image::PacketSource> sources;
  std::vector<image::PacketStore> stores;
  std::vector<SourceOrigin> origins;  // per source
  std::int32_t divisor = 1;
  std::uint32_t whole_packets = 0;  // so many are whole in every item, with aligned addresses
};

struct PacketFormat {
  int data_bytes = 16;              // of a 16-byte packet: 8, 16, or 15 on average, where eight packets are a line
  int width = image::packet_width;  // most sources of a wave
};

/// Packets of an item of so many bytes, and how many of them are whole.
std::int64_t packets_of(std::int64_t bytes, const PacketFormat& format);
std::int64_t whole_packets_of(std::int64_t bytes, const PacketFormat& format);

/// Bytes of one copy of the largest landing area.
std::int64_t landing_area(const PacketPlan& plan, const PacketFormat& format);
std::int64_t host_landing_area(const PacketPlan& plan, const PacketFormat& format);

/// The image of one rank: its items in order, as many to a wave as fit and as may wait together.
PacketImage link_packets(const PacketPlan& plan, Rank rank, std::span<const RankAddresses> addresses, const PacketFormat& format);

}  // namespace p2plab
