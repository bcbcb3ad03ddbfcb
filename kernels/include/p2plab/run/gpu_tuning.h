// SPDX-License-Identifier: Apache-2.0
// Which protocol, blocks per lane and slices a plan runs with on GPUs that reach each other over NVLink.
#pragma once

#include "p2plab/program/program.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// By the collective, the size of the largest chunk, its alignment and the number of lanes, from measurements on two and four H200s
/// (kernels/README.md): Lamport where that is possible, else LL or LL128, up to where `simple` is faster; of as many blocks as
/// fill a GPU. `proof` is of the schedule: programs too long for code of their own
/// (kernels/src/lowered/specialise.h) take packets only while they are small.
Tuning gpu_tuning(const Schedule& schedule, const Proof& proof, const Payload& payload);

/// The same for staged buffers (communicator.h), which are copied for slices but not for packets: packets up to chunks of 512 MiB.
Tuning staged_gpu_tuning(const Schedule& schedule, const Proof& proof, const Payload& payload);

}  // namespace p2plab
