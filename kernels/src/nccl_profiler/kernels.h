// SPDX-License-Identifier: Apache-2.0
// What NCCL's proxy thread tells of kernels and of replays, made into records.
//
// That thread reads a kernel's start and end in memory that the kernel writes: for each channel a ring of 64 times with counters (NCCL 2.28.9:
// device/common.h and transport/profiler.cc). A time may come before it is there: then it is 0, or that of the 64th kernel before. And where kernels
// of many channels follow at once the thread falls behind, so that some of a kernel's channels come with the times of the 64th kernel after: with 24
// channels, 1 MiB and two H200s the first start and the last end lay 630 us apart, where the kernel took 18. So one channel is taken, whose start
// comes after what started there last; an end before the start is none.
#pragma once

#include <cstdint>

#include "monitor/recorder.h"

namespace p2plab::nccl_profiler {

/// Calls in graphs whose replays are counted, in one process.
inline constexpr std::uint32_t most_captured = 8192;

/// Whether a kernel can have started then on this channel: after the last one did. Called by the proxy thread of the communicator `side`.
bool starts(int side, unsigned channel, std::uint64_t timer);

/// A replay of captured call `which` (Recorder::add_captured; -1: one that is not counted) begins: its number as a call. The one before is counted,
/// as all its kernels have ended.
std::uint64_t begin_replay(monitor::Recorder& recorder, int side, int which, const monitor::CallInfo& info);
/// Counts the last replays of a communicator's calls, which ends.
void count_last(monitor::Recorder& recorder, int side);

}  // namespace p2plab::nccl_profiler
