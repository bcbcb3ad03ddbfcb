// SPDX-License-Identifier: Apache-2.0
// Host-side interface of the kernels that measure single costs; see calibration.h.
#pragma once

#include <cstdint>

#include "lowered/launch.h"

namespace p2plab::device {

enum class Probe : std::uint32_t {
  nothing,  // an empty kernel
  ping,     // one thread: flag to `there`, wait for the answer at `here`, `count` times
  pong,     // the other side
  packet_ping,
  packet_pong,
  local_ping,  // both sides in two thread blocks of one kernel, flags at `here` and `there`
  fences,      // one thread: a store to `there` and a fence, `count` times
  slices,      // one block: look at the flag at `here`, meet at a barrier, `count` times
  stores,      // each block its part of `bytes` to `there`, `count` times
  loads,       // the same from `there`
  sums,        // each block its part: here = here + there
  copies,      // each block its part of `bytes` from `there` to `here`
  publish,     // one block: 16 bytes a thread at `there` + `bytes`, then the flag at `there`; waits for the answer at `here`; `count` times
  observe,     // the other side: looks at them once it sees the flag, answers; rounds with other data are counted in the word after `late`
  adds         // each thread: adds `base` to its word at `there`, `count` times, for all of the system to see
};

struct ProbeCall {
  std::uint64_t here = 0;
  std::uint64_t there = 0;
  std::uint64_t bytes = 0;
  std::uint64_t timeout = 2'000'000'000;  // nanoseconds that a thread waits for one flag
  std::uint64_t late = 0;                 // address of a word that is set to 1 where one did not come
  std::uint32_t count = 0;
  std::uint32_t base = 0;  // flags rise from here on
};

CudaCode launch_probe(Probe probe, const LaunchShape& shape, const ProbeCall& call, StreamHandle stream);

}  // namespace p2plab::device
