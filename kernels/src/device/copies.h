// SPDX-License-Identifier: Apache-2.0
// Host-side interface of what runs a program by copy engines: copies, and the kernels between them.
#pragma once

#include <cstdint>

#include "lowered/kernel_args.h"
#include "lowered/launch.h"

namespace p2plab::device {

/// A slice of an instruction, as a lane's stream comes to it.
struct SlicePlace {
  std::uint32_t block = 0;        // lane * parts + part
  std::uint32_t instruction = 0;  // of the rank
  std::uint32_t number = 0;       // within the lane
  std::uint32_t ordinal = 0;      // slices of this part before it
  std::int64_t slice = 0;
};

/// One block for each part of each lane, of one warp. Codes are cudaError_t's.
CudaCode launch_copies_begin(const args::SliceCall& call, std::uint32_t blocks, StreamHandle stream);
CudaCode launch_copies_end(const args::SliceCall& call, std::uint32_t blocks, StreamHandle stream);
/// Waits, with a deadline, until what the slice needs is there; and says that it is done.
CudaCode launch_await_slice(const args::SliceCall& call, const SlicePlace& place, StreamHandle stream);
CudaCode launch_raise_slice(const args::SliceCall& call, const SlicePlace& place, StreamHandle stream);
/// Any bytes from any memory to any, by a copy engine.
CudaCode copy_between(std::uint64_t to, std::uint64_t from, std::int64_t bytes, StreamHandle stream);

}  // namespace p2plab::device
