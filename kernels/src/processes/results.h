// SPDX-License-Identifier: Apache-2.0
// What ranks tell each other about a measurement: times, checks, and which program they mean.
#pragma once

#include <string>

#include "p2plab/program/measurement.h"
#include "p2plab/program/program.h"
#include "p2plab/run/processes.h"

namespace p2plab::processes {

/// The version of p2plab, which all ranks must share.
std::string build();

/// A hash of a program, its payload and its tuning: ranks that show the same one run the same program.
std::string digest(const Program& program, const RunOptions& options);

/// Everybody's samples; sample by sample the slowest rank's, or the fastest rank's where the last to start sees no skew.
enum class Choice { slowest, fastest };
Result<std::vector<Seconds>> combine_samples(Session& session, const std::vector<Seconds>& mine, Choice choice);

/// Everybody's findings as one.
Result<DataCheck> combine_checks(Session& session, const DataCheck& mine);

/// Success if it is so on all ranks, else the first rank's error on all of them.
Status all_well(Session& session, const Status& mine);

}  // namespace p2plab::processes
