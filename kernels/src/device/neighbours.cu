// SPDX-License-Identifier: Apache-2.0
// Between two chunks of a call: tells kernels of others what is done, and waits for what they give (p2plab/c/signals.cuh).
#include <cuda_runtime.h>

#include "device/launching.cuh"
#include "device/ordering.cuh"

namespace p2plab::device {

namespace {

constexpr std::uint32_t warp = 32;

// The kernel before has ended, and its stores are seen, when words are raised; the kernel behind begins when what it reads was given.
__global__ void neighbours(const __grid_constant__ args::NeighbourCall call) {
  Gpu::await_previous();
  Gpu::fence();
  for (auto i = Gpu::thread(); i < call.done_count; i += warp) Gpu::store_flag(call.done + std::uint64_t{i} * 4, call.done_value);
  if (Gpu::thread() != 0 || call.given == 0) return;
  constexpr std::uint32_t spins_between_checks = 64;
  const auto started = Gpu::now();
  for (std::uint32_t spins = 1; static_cast<std::int32_t>(Gpu::acquire(call.given) - call.given_value) < 0; ++spins) {
    if (spins % spins_between_checks != 0 || Gpu::now() - started <= call.timeout) continue;
    if (Gpu::peek(call.late) == 0) Gpu::store_flag(call.late, call.chunk + 1);
    return;
  }
}

}  // namespace

CudaCode load_neighbours() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, neighbours);
}

CudaCode launch_neighbours(const args::NeighbourCall& call, StreamHandle stream) {
  auto mine = call;
  void* arguments[] = {&mine};
  return launch_kernel(reinterpret_cast<const void*>(neighbours), {.blocks = 1, .threads = warp, .programmatic = true}, stream, arguments);
}

}  // namespace p2plab::device
