// SPDX-License-Identifier: Apache-2.0
// The slice kernels that note steps.
#include "device/interpreters/noting.h"
#include "device/interpreters/slice_kernels.cuh"

namespace p2plab::device {

CudaCode launch_noting_slices(const KernelChoice& choice, const LaunchShape& shape, const args::SliceCall& call, StreamHandle stream) {
  return launch<true>(choice, shape, call, stream);
}

int resident_noting_slice_blocks(const KernelChoice& choice, std::uint32_t threads) { return resident<true>(choice, threads); }

}  // namespace p2plab::device
