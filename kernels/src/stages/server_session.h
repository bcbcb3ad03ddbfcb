// SPDX-License-Identifier: Apache-2.0
// The ranks of one server among all ranks of a job.
#pragma once

#include <memory>
#include <string>

#include "p2plab/run/processes.h"
#include "p2plab/segments/servers.h"

namespace p2plab::stages {

/// Parts `session` into the servers of a plan's machine: the session of this rank's. Several servers may be one machine; one server must not be two.
/// All ranks call it together. Errors: those of the session; invalid_input, the same on all ranks, naming two ranks of one server on two machines.
Result<std::unique_ptr<Session>> join_server(Session& session, const Servers& servers);

/// Do the ranks of each server run on one machine? `machines`: by rank.
Status check_places(const Servers& servers, const std::vector<std::string>& machines);

}  // namespace p2plab::stages
