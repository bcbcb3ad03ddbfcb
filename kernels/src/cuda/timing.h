// SPDX-License-Identifier: Apache-2.0
// Times calls on GPUs: device events around replays of a graph of many calls, all ranks let go together by a gate.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cuda/api.h"
#include "p2plab/program/executor.h"

namespace p2plab::cuda {

/// A stream of the current device and the events around what is timed on it.
struct TimedStream {
  Stream stream;
  Event begin;
  Event end;
  static Result<TimedStream> create();
};

/// What all ranks need to be timed together.
struct RankStreams {
  std::vector<int> devices;     // GPU of each rank
  std::vector<Stream> streams;  // one per rank
  static Result<RankStreams> create(const std::vector<int>& devices);
};

/// Puts one call of a rank on its stream.
using Enqueue = std::function<Status(Rank, const Stream&)>;

/// Runs one call on all ranks, from one host thread each, and waits for the end.
Status run_once(const RankStreams& ranks, const Enqueue& enqueue);

/// Calls that go into one graph for a payload of this size: many for short ones, so that a launch's share is small.
int calls_per_sample(Bytes size);

/// options.repeats samples after options.warmup ones: the slowest rank's device time per call. All ranks wait at a gate on the GPU until everything
/// is queued on all of them, so that they start within a microsecond or two.
Result<std::vector<Seconds>> time_calls(const RankStreams& ranks, const Enqueue& enqueue, int calls, const RunOptions& options);

/// How ranks in different processes keep step.
struct Meeting {
  std::function<Status()> barrier;
  std::uint64_t gate = 0;  // a word of pinned memory that all see
  bool opens = false;      // this rank opens and closes it
};

/// The same for one rank, while the others do so in processes of their own: this rank's samples.
Result<std::vector<Seconds>> time_own_calls(const RankStreams& own, Rank rank, const Enqueue& enqueue, int calls, const RunOptions& options,
                                            const Meeting& meeting);

}  // namespace p2plab::cuda
