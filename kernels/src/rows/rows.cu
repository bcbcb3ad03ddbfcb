// SPDX-License-Identifier: Apache-2.0
// The epilogue as a kernel of its own: after programs that run slice by slice or by the interpreter, and where there is one rank.
#include <algorithm>

#include "device/launching.cuh"
#include "rows/row_form.h"
#include "rows/row_ordering.cuh"

namespace p2plab::device {

namespace {

constexpr int row_threads = 256;

template <class Number, int Slots, bool Whole>
__global__ void __launch_bounds__(row_threads) rows(const __grid_constant__ image::EpilogueCall call) {
  __shared__ float statistics[64];
  run_rows<RowGpu, RowShape<Number, row_threads, Slots, Whole>>(call, static_cast<std::uint32_t>(__cvta_generic_to_shared(statistics)));
}

using RowKernel = void (*)(image::EpilogueCall);

template <class Number>
RowKernel kernel_for(const RowForm& form) {
  if (form.slots == 0) return form.whole ? rows<Number, 0, true> : rows<Number, 0, false>;
  return form.slots <= 2 ? rows<Number, 2, true> : rows<Number, 4, true>;
}

RowKernel kernel_for(DataType type, const RowForm& form) {
  if (type == DataType::float16) return kernel_for<Half>(form);
  return type == DataType::bfloat16 ? kernel_for<BFloat>(form) : kernel_for<Float>(form);
}

}  // namespace

CudaCode launch_rows(DataType type, const image::EpilogueCall& call, StreamHandle stream) {
  if (call.rows == 0) return cudaSuccess;
  constexpr std::uint32_t most_blocks = 1056;  // eight to a multiprocessor of the largest GPUs
  const auto kernel = kernel_for(type, row_form(call.hidden, type, row_threads, 4));
  kernel<<<std::min(call.rows, most_blocks), row_threads, 0, static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}

}  // namespace p2plab::device
