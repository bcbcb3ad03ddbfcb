// How a plan runs best on GPUs that reach each other over NVLink: protocol, copies of lanes, slices.
#pragma once

#include "p2plab/payload.h"
#include "p2plab/program.h"
#include "p2plab/schedule.h"

namespace p2plab {

/// By the size of the largest chunk and the number of lanes, from measurements on four H200s (kernels/README.md): up to 16 KiB a chunk packets with
/// flags, up to 2 MiB flagless packets, above that slices with signals, of as many parts as fill a GPU with one block a multiprocessor.
Tuning gpu_tuning(const Schedule& schedule, const Payload& payload);

}  // namespace p2plab
