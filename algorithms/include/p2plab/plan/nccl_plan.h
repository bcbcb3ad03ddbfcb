// SPDX-License-Identifier: Apache-2.0
// What NCCL would send where, as a plan of this project, so that it can be proved and simulated at the costs of our kernels. What NCCL itself takes
// says nccl_model.h.
#pragma once

#include "p2plab/nccl/nccl_model.h"
#include "p2plab/program/planner.h"

namespace p2plab {

/// The plan of NCCL's rings, or (all_reduce only) of its trees: inside one server a chain along each ring, summed towards its head and handed back.
/// Channels that NCCL duplicates are one ring here; the tuning's parts stand for them. Errors: unsupported, for other algorithms, for collectives
/// that NCCL does not do by ring, and for trees over several servers; those of the contract.
Result<Plan> nccl_plan(const Topology& topology, const Collective& collective, const nccl::Communicator& communicator, nccl::Algorithm algorithm);

}  // namespace p2plab
