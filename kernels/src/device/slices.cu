// SPDX-License-Identifier: Apache-2.0
// The slice kernels, the start gate of measurements, and the filling of buffers.
#include "device/bulk.h"
#include "device/bulk_ordering.cuh"
#include "device/launching.cuh"
#include "device/ordering.cuh"
#include "device/slice.h"

namespace p2plab::device {

namespace {

template <class Combine, bool Shifts>
__global__ void __launch_bounds__(most_threads) slices(const __grid_constant__ Combine combine, const __grid_constant__ image::SliceCall call) {
  run_slices<Gpu, Shifts>(combine, call);
}

template <class Combine>
__global__ void __launch_bounds__(most_threads) bulk_slices(const __grid_constant__ Combine combine, const __grid_constant__ image::SliceCall call) {
  extern __shared__ __align__(128) unsigned char shared[];
  run_bulk_slices<BulkGpu>(combine, call, static_cast<std::uint32_t>(__cvta_generic_to_shared(shared)));
}

// The kernel for a choice, as body(kernel, bytes of shared memory).
template <class Body>
auto with_slices(const KernelChoice& choice, Body&& body) {
  return with_combine(choice, [&](auto combine) {
    using Combine = decltype(combine);
    if (choice.bulk) return body(combine, bulk_slices<Combine>, bulk_shared_bytes);
    return choice.shifts ? body(combine, slices<Combine, true>, 0U) : body(combine, slices<Combine, false>, 0U);
  });
}

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

CudaCode launch_slices(const KernelChoice& choice, const LaunchShape& shape, const image::SliceCall& call, StreamHandle stream) {
  return with_slices(choice, [&](auto combine, auto kernel, std::uint32_t shared) {
    auto given = call;
    void* arguments[] = {&combine, &given};
    return launch_kernel(reinterpret_cast<const void*>(kernel), shape, stream, arguments, shared);
  });
}

int resident_slice_blocks(const KernelChoice& choice, std::uint32_t threads) {
  return with_slices(choice, [&](auto, auto kernel, std::uint32_t shared) {
    if (shared > 0) {
      const auto code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
      if (code != cudaSuccess) return -static_cast<int>(code);
    }
    return resident_blocks(kernel, threads, shared);
  });
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
