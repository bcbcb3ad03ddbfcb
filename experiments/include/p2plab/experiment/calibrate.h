// SPDX-License-Identifier: Apache-2.0
// From measured times to a profile: lines through times of growing work, by least squares, with the interval in which each number lies.
#pragma once

#include <string>
#include <vector>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/executor.h"
#include "p2plab/run/calibration.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// A number with the interval in which it lies with 95 % confidence, if the deviations from the line are independent.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

/// time = start + cost * amount.
struct LineFit {
  Estimate start;  // seconds
  Estimate cost;   // seconds a unit
};

/// Least squares through at least three amounts. Errors: fewer different amounts, times that are not finite, or that do not rise with the work.
Result<LineFit> fit_line(const WorkTimes& times);

/// min(blocks * one, all): what thread blocks move, each alone and at most together, in bytes per second.
struct SaturationFit {
  Estimate one;
  Estimate all;
};

/// The rate of every number of blocks is a line of its own; `all` is the mean of those within 6 % of the largest, `one` the least-squares slope
/// through those below 85 % of it. Errors: those of the lines; no number of blocks below the limit.
Result<SaturationFit> fit_saturation(const std::vector<BlockTimes>& series);

/// One number of a profile.
struct CalibratedNumber {
  std::string name;    // as in the profile
  std::string unit;    // "us", "GB/s" or ""
  Estimate estimate;   // in that unit
  std::string method;  // how it was measured
};

struct Calibration {
  Profile profile;
  std::vector<CalibratedNumber> numbers;
  std::string source;  // machine and date
};

/// The profile of a machine, whose links `topology` describes: what goes over a link is counted with the link's own latency and bandwidth.
/// Errors: those of the fits, each with the name of its number; no link between the two GPUs.
Result<Calibration> calibrate(const CalibrationData& data, const Topology& topology, const std::string& name);

/// The profile as a file that `load_profile` reads; each number with its interval and how it was measured.
std::string write_calibration(const Calibration& calibration);
/// A table for people.
std::string calibration_text(const Calibration& calibration);

/// The network between servers, measured by messages from one to another.
struct NetworkCalibration {
  Topology topology;                           // the machine; its network's links are as fast and as late as those on the way were found to be
  std::vector<CalibratedNumber> numbers = {};  // message_latency, message_rate (of one message), server_rate (of one a rank at once)
};

/// `executor` is all ranks of the machine that `evaluator` is for, and of at least two servers. The latency of its links becomes what makes the
/// predicted time of a short message the measured one. Errors: invalid_input, for one server; those of the executor and of the fits.
Result<NetworkCalibration> calibrate_network(const Evaluator& evaluator, const Executor& executor);
std::string calibration_text(const NetworkCalibration& calibration);

}  // namespace p2plab
