// SPDX-License-Identifier: Apache-2.0
// Every ordered pair by every way of access, each in time or ended: probes run in a child process, which says what it begins and what came of it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/run/pair_probe.h"

namespace p2plab::doctor {

/// What became of a probe.
enum class ProbeEnd { done, failed, hung, crashed };

struct ProbeRecord {
  PairProbe probe;
  ProbeEnd end = ProbeEnd::done;
  PairOutcome outcome = {};
  std::string message = {};  // of what failed or crashed
};

/// All ordered pairs by all accesses, one access after another; both ways once for two GPUs; all at once by each distance.
std::vector<PairProbe> matrix_of(int devices);

/// A process that runs probes from a number on and writes to a pipe.
struct ProbeChild {
  pid_t process = -1;
  int output = -1;
};

/// Starts one that begins with probe `first`.
using StartProbes = std::function<Result<ProbeChild>(std::size_t first)>;

struct ProbeLimits {
  Seconds start{60};  // until a child begins its first probe: it must first get hold of all GPUs
  Seconds probe{5};   // for one probe
};

/// Runs all probes. One that hangs is ended with its child, and the next child goes on behind it. Errors: no child can be started, or three in a row
/// end before they begin anything, with what they said.
Result<std::vector<ProbeRecord>> run_matrix(const std::vector<PairProbe>& probes, const StartProbes& start, const ProbeLimits& limits = {});

/// All that a child says until it ends in order, within a time. Errors: it cannot be started, ends otherwise, or does not end, as one does that
/// stands in a driver.
Result<std::string> all_said(const StartProbes& start, Seconds limit);

/// The child's part: runs probes from `first` on and writes what comes of them to `output`.
Status serve_probes(const Result<std::unique_ptr<PairProber>>& prober, const std::vector<PairProbe>& probes, std::size_t first, int output);

/// A child that is a fork of this process; for what needs no CUDA.
StartProbes forked(std::function<Result<std::unique_ptr<PairProber>>()> prober, std::vector<PairProbe> probes);
/// A child that is another program, whose arguments `first` ends.
StartProbes spawned(std::string program, std::vector<std::string> arguments);

}  // namespace p2plab::doctor
