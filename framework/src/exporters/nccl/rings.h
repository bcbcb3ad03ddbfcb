// SPDX-License-Identifier: Apache-2.0
// The rings or chains that a plan sends its data along, as NCCL's graph files have them.
#pragma once

#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"

namespace p2plab {

/// What NCCL calls a graph of one server.
struct NcclRings {
  bool chain = false;                     // sums go up a chain and come back down: NCCL's tree within a server
  std::vector<std::vector<Rank>> orders;  // by channel of NCCL: all carry equal shares, so an order may stand there more than once
  double speed_gbps = 0;                  // of a channel, as NCCL counts links: net of their protocol
  std::string type;                       // of the worst hop: NVL, PIX, PXB, PHB or SYS
};

/// The rings or chains of a plan. Errors: unsupported: ranks outside the collective, several servers, a channel of the plan that is no ring or chain
/// through all ranks, shares that need more than 32 channels.
Result<NcclRings> nccl_rings(const Topology& topology, const Plan& plan);

/// The server of each rank, from 0: ranks that are joined without a network.
std::vector<int> server_by_rank(const Topology& topology);

}  // namespace p2plab
