// SPDX-License-Identifier: Apache-2.0
// What a machine's costs are computed from: times of growing amounts of one kind of work each.
#pragma once

#include <string>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// So much work took so long, the constant cost of starting included.
struct WorkTime {
  double amount = 0;
  Seconds time{0};
};
using WorkTimes = std::vector<WorkTime>;

/// Bytes moved by so many thread blocks.
struct BlockTimes {
  int blocks = 0;
  WorkTimes bytes = {};
};

struct CalibrationData {
  std::string machine = {};  // GPUs, driver, date
  int from = 0;              // the pair of GPUs that was measured
  int to = 1;
  WorkTimes launches = {};              // empty kernels in a graph
  WorkTimes peer_round_trips = {};      // flags there and back between the two GPUs
  WorkTimes packet_round_trips = {};    // the same with packets that are their own flag
  WorkTimes local_round_trips = {};     // flags between two thread blocks of one GPU
  WorkTimes fences = {};                // stores to the other GPU, each made visible by a fence
  WorkTimes slices = {};                // of a thread block, each: look at a flag, meet at a barrier
  std::vector<BlockTimes> stores = {};  // to the other GPU
  std::vector<BlockTimes> loads = {};   // from the other GPU
  WorkTimes sums = {};                  // local bytes read or written by one thread block that adds
  WorkTimes memory = {};                // local bytes read or written by all thread blocks that copy
};

/// Measures GPU 0 and GPU 1, in a few seconds, by device events. Errors: not_built, no_device, unsupported (one GPU only, no peer access),
/// device_failure.
Result<CalibrationData> measure_calibration();

}  // namespace p2plab
