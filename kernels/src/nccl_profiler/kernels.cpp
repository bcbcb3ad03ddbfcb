// SPDX-License-Identifier: Apache-2.0
#include "nccl_profiler/kernels.h"

#include <algorithm>
#include <atomic>

namespace p2plab::nccl_profiler {

namespace {

constexpr unsigned most_sides = 256;  // those above share the last starts of others, and lose a time where those were later
constexpr unsigned channels = 64;     // NCCL's most

// Written by one thread each; atomic for those that share.
std::atomic<std::uint64_t> last_starts[most_sides][channels];

// A captured call: its last replay, which is not counted yet, and all before. Written by the thread that runs its communicator's host functions.
struct Captured {
  int side = -1;
  std::uint64_t last = 0;
  std::uint64_t begun = 0;
  std::uint64_t timed = 0;
  std::uint64_t sum = 0;
  monitor::ReplayInfo all;
};
Captured captured[most_captured];
std::atomic<std::uint32_t> used;

// Replays whose time is not known count as long as the mean of those whose time is.
void count(monitor::Recorder& recorder, int which) {
  auto& call = captured[which];
  if (call.last == 0) return;
  auto& all = call.all;
  ++all.replays;
  if (const auto ns = recorder.device_ns(call.last); ns > 0) {
    const auto time = static_cast<std::uint32_t>(std::min<std::uint64_t>(ns, UINT32_MAX));
    all.least = call.timed == 0 ? time : std::min(all.least, time);
    all.most = std::max(all.most, time);
    all.last = time;
    ++call.timed;
    call.sum += ns;
  }
  if (call.timed > 0)
    all.sum = static_cast<std::uint64_t>(static_cast<double>(call.sum) / static_cast<double>(call.timed) * static_cast<double>(all.replays));
  all.begun = call.begun;
  call.last = 0;
  recorder.replays(which, all);
}

}  // namespace

bool starts(int side, unsigned channel, std::uint64_t timer) {
  auto& last = last_starts[static_cast<unsigned>(side) % most_sides][channel % channels];
  if (timer <= last.load(std::memory_order_relaxed)) return false;
  last.store(timer, std::memory_order_relaxed);
  return true;
}

std::uint64_t begin_replay(monitor::Recorder& recorder, int side, int which, const monitor::CallInfo& info) {
  const auto number = recorder.begin_replay(side, which, info);
  if (which < 0) return number;
  count(recorder, which);
  auto& call = captured[which];
  call.side = side;
  call.last = number;
  call.begun = monitor::now();
  auto known = used.load();
  while (known <= static_cast<std::uint32_t>(which) && !used.compare_exchange_weak(known, static_cast<std::uint32_t>(which) + 1)) continue;
  return number;
}

void count_last(monitor::Recorder& recorder, int side) {
  const auto all = static_cast<int>(used.load());
  for (int which = 0; which < all; ++which) {
    if (captured[which].side == side) count(recorder, which);
  }
}

}  // namespace p2plab::nccl_profiler
