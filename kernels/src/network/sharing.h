// SPDX-License-Identifier: Apache-2.0
// How messages between servers are shared out among communicators: both ends cut them alike.
#pragma once

#include <vector>

#include "p2plab/base/units.h"
#include "p2plab/run/processes.h"
#include "p2plab/segments/servers.h"
#include "stages/transport.h"

namespace p2plab::runtime {

/// Into as many parts as there are communicators, but none below `least` unless it is the whole message.
struct Sharing {
  int carriers = 1;
  Bytes least = 64_KiB;
  bool sockets = false;  // NCCL goes over sockets, on all ranks
};

std::vector<stages::Transfer> parts_of(const stages::Transfer& transfer, const Sharing& sharing);

/// As P2PLAB_CARRIERS and P2PLAB_CARRIER_PART say, the same on all ranks. Without the first, 4 where that was measured to pay: where each server has
/// one rank and NCCL goes over sockets as it comes; elsewhere 1. All ranks call it together, when NCCL has made a communicator. Errors:
/// invalid_input.
Result<Sharing> agreed_sharing(Session& session, const Servers& servers);

}  // namespace p2plab::runtime
