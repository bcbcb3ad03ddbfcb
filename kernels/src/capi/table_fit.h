// SPDX-License-Identifier: Apache-2.0
// Is a tuned table for the machine that a communicator runs on?
#pragma once

#include <string>

#include "p2plab/experiment/tuned.h"
#include "runtime/running_machine.h"

namespace p2plab::capi {

/// In what the table's machine differs from this one: the names of GPUs, or the way by which two ranks touch each other's memory. Empty: in nothing
/// that is known of both.
std::string difference(const TunedTable& table, const runtime::RunningMachine& machine);

/// What could not be compared, as a sentence; empty: all was. GPUs that no process sees beside its own, tables that name no GPUs.
std::string not_compared(const TunedTable& table, const runtime::RunningMachine& machine);

/// Do all ranks of the table's machine touch each other's memory through the host's only?
bool all_by_host(const Topology& topology);

}  // namespace p2plab::capi
