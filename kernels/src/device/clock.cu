// SPDX-License-Identifier: Apache-2.0
// What a GPU's clock shows now, told to the host.
#include <cuda_runtime.h>

#include "device/launching.cuh"
#include "device/ordering.cuh"

namespace p2plab::device {

namespace {

__global__ void tell_time(std::uint64_t to, std::uint32_t number) {
  const auto now = Gpu::now();
  Gpu::store_flag(to, static_cast<std::uint32_t>(now));
  Gpu::store_flag(to + 4, static_cast<std::uint32_t>(now >> 32));
  Gpu::fence();
  Gpu::store_flag(to + 8, number);
}

}  // namespace

CudaCode load_tell_time() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, tell_time);
}

CudaCode launch_tell_time(std::uint64_t to, std::uint32_t number, StreamHandle stream) {
  tell_time<<<1, 1, 0, static_cast<cudaStream_t>(stream)>>>(to, number);
  return cudaGetLastError();
}

}  // namespace p2plab::device
