// SPDX-License-Identifier: Apache-2.0
// What a run on GPUs is given, and what it holds for each of its ranks.
#pragma once

#include <span>
#include <vector>

#include "cuda/api.h"
#include "lowered/arena.h"
#include "lowered/packet_image.h"
#include "lowered/packet_plan.h"
#include "lowered/slice_image.h"
#include "p2plab/program/executor.h"
#include "p2plab/run/communicator.h"

namespace p2plab::cuda {

/// What a run reads and writes, and how much of the GPUs it may have.
struct RunBuffers {
  BufferUse use = BufferUse::registered;
  std::span<const DeviceBuffers> buffers = {};  // registered ones, by rank
  int at_once = 1;                              // runs that share the GPUs' thread blocks
};

/// As `options` say.
inline RunBuffers run_buffers(const RunOptions& options, std::span<const DeviceBuffers> buffers) {
  return options.staged ? RunBuffers{.use = BufferUse::staged} : RunBuffers{.buffers = buffers};
}

/// What a run holds for one rank.
struct RankState {
  Arena::Region memory;  // scratch, token, flags, counters
  Arena::Region landing;
  Arena::Region images;   // what does not fit into kernel parameters
  Arena::Region host;     // host buffer, host flags, host landing area; rank 0's: reports
  Arena::Region staging;  // copies of a caller's buffers
  PacketImage packets;
  SliceImage slices;
  image::PacketCall packet_call;
  image::SliceCall slice_call;
  device::PacketTables tables;
  const void* special = nullptr;          // the kernel made for the program
  std::vector<std::uint64_t> parameters;  // of that kernel
  std::vector<std::size_t> callers;       // which of them are addresses in the caller's buffers
  std::uint32_t blocks = 1;
  std::vector<Stream> lane_streams;  // by copy engines: for each part of each lane
  std::vector<Event> lane_events;
  Event begun;
};

/// What both forms share while a run is prepared.
struct RunPlans {
  PacketPlan packets;
  PacketFormat format;
  std::int64_t area = 0;  // bytes of one copy of the landing areas
  std::int64_t host_area = 0;
  std::int64_t flags = 0;
};

}  // namespace p2plab::cuda
