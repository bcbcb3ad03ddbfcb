// SPDX-License-Identifier: Apache-2.0
// Why a program takes as long as it does: the chain of events that ends last, every picosecond of it with its cause; and what could be later.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// What time went into. `launch` is everything before a rank's first instruction, start skew included; `signal` is from data visible until its
/// waiter goes on; `latency` is the way along links; `serialisation` is a link (or another shared limit) taking the bytes of this GPU;
/// `queueing` is waiting there for those of others; `thread_block` is the thread block's own rate, loop and window; `reduce` is its sums and its
/// GPU's memory; `host` is the way to and from host memory, its links' waiting apart.
enum class PathCause : std::uint8_t { launch, signal, latency, serialisation, queueing, thread_block, reduce, host };
inline constexpr std::size_t path_causes = 8;

std::string_view to_string(PathCause cause);

/// A piece of the chain.
struct PathSegment {
  PathCause cause = PathCause::launch;
  SimTime begin{0};
  SimTime end{0};
  StepId step{-1};             // whose slice; -1 before the first
  Rank rank{0};                // its executor
  std::int32_t resource = -1;  // index into SimResult::uses, where one served or kept waiting
};

struct CriticalPath {
  std::vector<PathSegment> segments;            // in order of time, from 0 to the makespan, without gaps
  std::array<SimTime, path_causes> by_cause{};  // sums to the makespan
  SimTime of(PathCause cause) const { return by_cause[static_cast<std::size_t>(cause)]; }
};

/// The chain of events that ended last, walked back from the last slice: each moment is put down to what the slice at hand was waiting for or
/// busy with. `result` must hold the recording of this program on this machine at these costs.
CriticalPath critical_path(const Topology& topology, const Program& program, const Profile& profile, const SimResult& result);

/// By StepId: how much later the step's last slice could end without delaying the end of all, were every other slice to take as long as it did
/// (thread blocks' order and waits count; who is served when on a link does not). Steps without work have all of the makespan.
std::vector<SimTime> step_slack(const Topology& topology, const Program& program, const Profile& profile, const SimResult& result);

/// The resource on which the path spent most of its time (served, queued, on the way), and that time; -1 if none.
struct PathResource {
  std::int32_t resource = -1;
  SimTime time{0};
  SimTime queued{0};
};
PathResource busiest_on(const CriticalPath& path);

/// "serialisation 81.2 %, launch 10.0 %, ...", largest first, shares below 0.05 % left out.
std::string shares_of(const CriticalPath& path);

}  // namespace p2plab
