// SPDX-License-Identifier: Apache-2.0
// The slice kernels, compiled for the common types and once for all others; with Steps for calls whose steps are noted.
#pragma once

#include "device/bulk.h"
#include "device/bulk_ordering.cuh"
#include "device/launching.cuh"
#include "device/ordering.cuh"
#include "device/slice.h"

namespace p2plab::device {

namespace {

template <class Combine, bool Shifts, bool Steps>
__global__ void __launch_bounds__(most_threads) slices(const __grid_constant__ Combine combine, const __grid_constant__ args::SliceCall call) {
  run_slices<Gpu, Shifts, Steps>(combine, call);
}

template <class Combine, bool Steps>
__global__ void __launch_bounds__(most_threads) bulk_slices(const __grid_constant__ Combine combine, const __grid_constant__ args::SliceCall call) {
  extern __shared__ __align__(128) unsigned char shared[];
  run_bulk_slices<BulkGpu, Steps>(combine, call, static_cast<std::uint32_t>(__cvta_generic_to_shared(shared)));
}

// The kernel for a choice, as body(kernel, bytes of shared memory).
template <bool Steps, class Body>
auto with_slices(const KernelChoice& choice, Body&& body) {
  return with_combine<Steps>(choice, [&](auto combine) {
    using Combine = decltype(combine);
    if (choice.bulk) return body(combine, bulk_slices<Combine, Steps>, bulk_shared_bytes);
    return choice.shifts ? body(combine, slices<Combine, true, Steps>, 0U) : body(combine, slices<Combine, false, Steps>, 0U);
  });
}

template <bool Steps>
CudaCode launch(const KernelChoice& choice, const LaunchShape& shape, const args::SliceCall& call, StreamHandle stream) {
  return with_slices<Steps>(choice, [&](auto combine, auto kernel, std::uint32_t shared) {
    auto given = call;
    void* arguments[] = {&combine, &given};
    return launch_kernel(reinterpret_cast<const void*>(kernel), shape, stream, arguments, shared);
  });
}

template <bool Steps>
int resident(const KernelChoice& choice, std::uint32_t threads) {
  return with_slices<Steps>(choice, [&](auto, auto kernel, std::uint32_t shared) {
    if (shared > 0) {
      const auto code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
      if (code != cudaSuccess) return -static_cast<int>(code);
    }
    return resident_blocks(kernel, threads, shared);
  });
}

}  // namespace

}  // namespace p2plab::device
