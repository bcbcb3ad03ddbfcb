// SPDX-License-Identifier: Apache-2.0
// Launches of slice kernels, the start gate of measurements, and the filling of buffers.
#include "device/interpreters/noting.h"
#include "device/interpreters/slice_kernels.cuh"

namespace p2plab::device {

namespace {

__global__ void gate(std::uint64_t address, std::uint64_t timeout) {
  const auto started = Gpu::now();
  while (Gpu::peek(address) == 0 && Gpu::now() - started < timeout) {
  }
}

__global__ void fill(std::uint64_t address, std::uint64_t count, Words<4> pattern) {
  const auto stride = std::uint64_t{gridDim.x} * blockDim.x;
  for (auto i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) Gpu::store<4>(address + i * 16, pattern);
}

}  // namespace

CudaCode launch_slices(const KernelChoice& choice, const LaunchShape& shape, const args::SliceCall& call, StreamHandle stream) {
  return choice.steps ? launch_noting_slices(choice, shape, call, stream) : launch<false>(choice, shape, call, stream);
}

int resident_slice_blocks(const KernelChoice& choice, std::uint32_t threads) {
  return choice.steps ? resident_noting_slice_blocks(choice, threads) : resident<false>(choice, threads);
}

CudaCode launch_gate(std::uint64_t address, std::uint64_t timeout, StreamHandle stream) {
  gate<<<1, 1, 0, static_cast<cudaStream_t>(stream)>>>(address, timeout);
  return cudaGetLastError();
}

CudaCode launch_fill(std::uint64_t address, std::uint64_t count, const std::uint32_t (&pattern)[4], StreamHandle stream) {
  if (count == 0) return cudaSuccess;
  fill<<<256, 256, 0, static_cast<cudaStream_t>(stream)>>>(address, count, {{pattern[0], pattern[1], pattern[2], pattern[3]}});
  return cudaGetLastError();
}

}  // namespace p2plab::device
