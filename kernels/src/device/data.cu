// SPDX-License-Identifier: Apache-2.0
// Test data made and checked where it lies, at any size.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "lowered/launch.h"

namespace p2plab::device {

namespace {

constexpr unsigned grid = 512;
constexpr unsigned block_size = 256;

template <class T>
__device__ T from_whole(std::int64_t value) {
  return static_cast<T>(value);
}
template <>
__device__ __half from_whole<__half>(std::int64_t value) {
  return __float2half(static_cast<float>(value));
}
template <>
__device__ __nv_bfloat16 from_whole<__nv_bfloat16>(std::int64_t value) {
  return __float2bfloat16(static_cast<float>(value));
}
template <class T>
__device__ double to_real(T value) {
  return static_cast<double>(value);
}
template <>
__device__ double to_real<__half>(__half value) {
  return static_cast<double>(__half2float(value));
}
template <>
__device__ double to_real<__nv_bfloat16>(__nv_bfloat16 value) {
  return static_cast<double>(__bfloat162float(value));
}
// How far an average may be off: half a unit in the last place of each type. Everything else is exact.
template <class T>
constexpr double average_tolerance = sizeof(T) == 8 ? 1e-15 : 1e-6;
template <>
constexpr double average_tolerance<__half> = 1.0 / 2048;
template <>
constexpr double average_tolerance<__nv_bfloat16> = 1.0 / 256;

template <class T>
__global__ void generate(BlockSpan span, ReduceOp op, std::uint64_t seed) {
  auto* data = reinterpret_cast<T*>(span.address);
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x; i < span.count;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    data[i] = from_whole<T>(datum(seed, span.rank, span.block, i, op));
  }
}

__device__ void keep_worst(double* worst, double difference) {
  // Differences are not negative, so their bits compare as whole numbers do.
  atomicMax(reinterpret_cast<unsigned long long*>(worst), static_cast<unsigned long long>(__double_as_longlong(difference)));
}

template <class T, bool Whole>
__global__ void compare(BlockSpan span, ReduceOp op, std::uint64_t seed, std::int32_t divisor, CheckResult* result) {
  const auto* data = reinterpret_cast<const T*>(span.address);
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x; i < span.count;
       i += static_cast<std::int64_t>(gridDim.x) * blockDim.x) {
    const auto total = expected_total(seed, span.senders, span.block, i, op);
    double wanted = 0;
    if constexpr (Whole) {
      wanted = to_real(from_whole<T>(total / divisor));
    } else {
      wanted = divisor == 1 ? to_real(from_whole<T>(total)) : static_cast<double>(total) / divisor;
    }
    const double difference = fabs(to_real(data[i]) - wanted);
    const double allowed = Whole || divisor == 1 ? 0 : wanted * average_tolerance<T>;
    if (difference <= allowed) continue;  // not the other way round: NaN must be wrong
    atomicAdd(&result->wrong, 1ULL);
    atomicMin(&result->first, static_cast<unsigned long long>(i));
    keep_worst(&result->worst, difference == difference ? difference : 1e308);
  }
}

template <class Body>
void with_type(DataType type, Body&& body) {
  switch (type) {
    case DataType::float16: return body(__half{}, std::false_type{});
    case DataType::bfloat16: return body(__nv_bfloat16{}, std::false_type{});
    case DataType::float32: return body(float{}, std::false_type{});
    case DataType::float64: return body(double{}, std::false_type{});
    case DataType::int8: return body(std::int8_t{}, std::true_type{});
    case DataType::int16: return body(std::int16_t{}, std::true_type{});
    case DataType::int32: return body(std::int32_t{}, std::true_type{});
    case DataType::int64: return body(std::int64_t{}, std::true_type{});
    case DataType::uint8: return body(std::uint8_t{}, std::true_type{});
    case DataType::uint16: return body(std::uint16_t{}, std::true_type{});
    case DataType::uint32: return body(std::uint32_t{}, std::true_type{});
    case DataType::uint64: return body(std::uint64_t{}, std::true_type{});
  }
}

}  // namespace

CudaCode launch_generate(const BlockSpan& span, DataType type, ReduceOp op, std::uint64_t seed, StreamHandle stream) {
  if (span.count == 0) return cudaSuccess;
  with_type(type, [&](auto sample, auto) { generate<decltype(sample)><<<grid, block_size, 0, static_cast<cudaStream_t>(stream)>>>(span, op, seed); });
  return cudaGetLastError();
}

CudaCode launch_compare(const BlockSpan& span, DataType type, ReduceOp op, std::uint64_t seed, std::int32_t divisor, CheckResult* result,
                        StreamHandle stream) {
  if (span.count == 0) return cudaSuccess;
  with_type(type, [&](auto sample, auto whole) {
    compare<decltype(sample), decltype(whole)::value><<<grid, block_size, 0, static_cast<cudaStream_t>(stream)>>>(span, op, seed, divisor, result);
  });
  return cudaGetLastError();
}

}  // namespace p2plab::device
