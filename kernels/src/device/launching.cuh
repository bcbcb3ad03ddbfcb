// SPDX-License-Identifier: Apache-2.0
// What all launches share: the arithmetic for a type and operation, and how many blocks of a kernel fit.
#pragma once

#include <cuda_runtime.h>

#include "device/arithmetic.cuh"
#include "lowered/launch.h"

namespace p2plab::device {

inline constexpr unsigned most_threads = 512;

/// Calls body(combine): the common sums have code of their own, all else shares one, which is not there if only what is `Common` may come.
template <bool Common, class Body>
auto with_combine(const KernelChoice& choice, Body&& body) {
  if (!choice.reduces) return body(Nothing{});
  const bool sum = choice.op == ReduceOp::sum || choice.op == ReduceOp::average;
  if (sum && choice.type == DataType::float16) return body(Fixed<Half, ReduceOp::sum>{});
  if (sum && choice.type == DataType::bfloat16) return body(Fixed<BFloat, ReduceOp::sum>{});
  if constexpr (Common) {
    return body(Fixed<Float, ReduceOp::sum>{});
  } else {
    if (sum && choice.type == DataType::float32) return body(Fixed<Float, ReduceOp::sum>{});
    return body(Chosen{choice.type, choice.op});
  }
}

/// Blocks of a kernel that the current device can hold at once; negative: a cudaError_t, negated.
template <class Kernel>
int resident_blocks(Kernel kernel, std::uint32_t threads, std::uint32_t shared = 0) {
  int device = 0;
  int processors = 0;
  int blocks = 0;
  if (const auto code = cudaGetDevice(&device); code != cudaSuccess) return -code;
  if (const auto code = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device); code != cudaSuccess) return -code;
  if (const auto code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(threads), shared); code != cudaSuccess)
    return -code;
  return processors * blocks;
}

/// The same of clusters of so many blocks.
inline int resident_clusters(const void* kernel, std::uint32_t threads, std::uint32_t blocks) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {blocks, 1, 1};
  config.attrs = &attribute;
  config.numAttrs = 1;
  int clusters = 0;
  const auto code = cudaOccupancyMaxActiveClusters(&clusters, kernel, &config);
  return code == cudaSuccess ? clusters : -code;
}

/// Launches a kernel, perhaps set up while the kernel before it still runs.
inline CudaCode launch_kernel(const void* kernel, const LaunchShape& shape, StreamHandle stream, void** arguments, std::uint32_t shared = 0) {
  cudaLaunchConfig_t config{};
  config.gridDim = shape.blocks;
  config.blockDim = shape.threads;
  config.dynamicSmemBytes = shared;
  config.stream = static_cast<cudaStream_t>(stream);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = shape.programmatic ? 1 : 0;
  return cudaLaunchKernelExC(&config, kernel, arguments);
}

}  // namespace p2plab::device
