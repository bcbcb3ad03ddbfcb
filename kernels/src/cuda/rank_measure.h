// SPDX-License-Identifier: Apache-2.0
// One rank's part of a measurement in which every rank has a process of its own: check, time, check again, in step with the others.
#pragma once

#include "cuda/memory/buffers.h"
#include "cuda/timing.h"
#include "p2plab/run/processes.h"

namespace p2plab::cuda {

struct RankSubject {
  const char* executor = "";
  Session* session = nullptr;  // of all ranks
  Rank rank;
  const Buffers* buffers = nullptr;
  const RankStreams* streams = nullptr;  // of this rank alone
  Bytes size;
  Enqueue enqueue;                      // one call of this rank
  std::function<Status(Status)> after;  // what is to be said after calls have ended, of which some may have gone wrong
  Meeting meeting;
};

/// All ranks call it together. Wrong data is in the result's check.
Result<Measurement> measure_rank(const RankSubject& subject, const RunOptions& options);

}  // namespace p2plab::cuda
