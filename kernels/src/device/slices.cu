// The slice kernels, the start gate of measurements, and the filling of buffers.
#include <cuda_runtime.h>

#include "device/arithmetic.cuh"
#include "device/ordering.cuh"
#include "device/slice.h"
#include "launch.h"

namespace p2plab::device {

namespace {

constexpr unsigned most_threads = 512;

template <class Combine>
__global__ void __launch_bounds__(most_threads) slices(const __grid_constant__ Combine combine, const __grid_constant__ image::SliceCall call) {
  run_slices<Gpu>(combine, call);
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

template <class Body>
int with_kernel(const KernelChoice& choice, Body&& body) {
  if (!choice.reduces) return body(slices<Nothing>, Nothing{});
  const bool sum = choice.op == ReduceOp::sum || choice.op == ReduceOp::average;
  if (sum && choice.type == DataType::float16) return body(slices<Fixed<Half, ReduceOp::sum>>, Fixed<Half, ReduceOp::sum>{});
  if (sum && choice.type == DataType::bfloat16) return body(slices<Fixed<BFloat, ReduceOp::sum>>, Fixed<BFloat, ReduceOp::sum>{});
  if (sum && choice.type == DataType::float32) return body(slices<Fixed<Float, ReduceOp::sum>>, Fixed<Float, ReduceOp::sum>{});
  return body(slices<Chosen>, Chosen{choice.type, choice.op});
}

}  // namespace

CudaCode launch_slices(const KernelChoice& choice, const LaunchShape& shape, const image::SliceCall& call, StreamHandle stream) {
  return with_kernel(choice, [&](auto kernel, auto combine) {
    kernel<<<shape.blocks, shape.threads, 0, static_cast<cudaStream_t>(stream)>>>(combine, call);
    return cudaGetLastError();
  });
}

int resident_slice_blocks(const KernelChoice& choice, std::uint32_t threads) {
  return with_kernel(choice, [&](auto kernel, auto) -> int {
    int device = 0;
    int processors = 0;
    int blocks = 0;
    if (const auto code = cudaGetDevice(&device); code != cudaSuccess) return -code;
    if (const auto code = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device); code != cudaSuccess) return -code;
    if (const auto code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(threads), 0); code != cudaSuccess)
      return -code;
    return processors * blocks;
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
