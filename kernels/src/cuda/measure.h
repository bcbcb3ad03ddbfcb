// SPDX-License-Identifier: Apache-2.0
// One measurement on GPUs: check, time, check again. The same for every way of running a collective.
#pragma once

#include "cuda/memory/buffers.h"
#include "cuda/timing.h"

namespace p2plab::cuda {

/// A collective ready to be called.
struct Subject {
  const char* executor = "";
  const Buffers* buffers = nullptr;
  const RankStreams* ranks = nullptr;
  Enqueue enqueue;
  std::function<Status()> after;  // asks whether calls that have ended went well
  Bytes size;
};

/// GPUs 0 to ranks - 1. Errors: unsupported if there are fewer.
Result<std::vector<int>> devices_for(int ranks);

/// Checks the data of single calls before the timing, and after it of one more call. Wrong data is in the result's check.
Result<Measurement> measure(const Subject& subject, const RunOptions& options);

}  // namespace p2plab::cuda
