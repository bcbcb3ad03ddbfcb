// SPDX-License-Identifier: Apache-2.0
// Runs a program's lanes on worker threads, with no other synchronisation than the program's own waits.
#pragma once

#include <vector>

#include "host/host_memory.h"

namespace p2plab {

struct HostRunOptions {
  int threads = 1;
  int runs = 1;
  bool steps = false;  // tell those of the last run
};

struct HostRun {
  std::vector<Seconds> times;  // one per run: from all workers ready to the last one done
  DataCheck check;             // of the last run
  std::vector<MeasuredStep> steps;
};

/// Fills the memory and runs the program, `runs` times. Every (lane, part) is a block that one worker advances slice by slice; a slice runs as
/// soon as its waits are satisfied, that is when the awaited blocks' progress counters, read with acquire, have passed it; the counter is
/// stored after the slice's writes. Blocks are dealt to the workers in turn and stay there, so workers share nothing else.
/// Error device_failure if the waits can never be satisfied: names a waiting rank, lane, step and what it waits for.
Result<HostRun> run_on_host(const Program& program, HostMemory& memory, const TestData& data, const HostRunOptions& options);

}  // namespace p2plab
