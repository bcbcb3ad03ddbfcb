// SPDX-License-Identifier: Apache-2.0
// What stands between copies by copy engines: kernels of one warp that begin and end a call, wait for flags and raise them.
#include <cuda_runtime.h>

#include "device/copies.h"
#include "device/ordering.cuh"
#include "device/slice.h"

namespace p2plab::device {

namespace {

constexpr unsigned warp = 32;

__global__ void begin(const __grid_constant__ args::SliceCall call) {
  const auto block = Gpu::block();
  JournalMark<Gpu> mark(call.journal);
  mark.begin(call.journal);
  mark.leave(call.journal);
  begin_lane<Gpu>(call, context_of(call, block), block / call.blocks_per_lane);
}

__global__ void end(const __grid_constant__ args::SliceCall call) {
  const auto block = Gpu::block();
  JournalMark<Gpu> mark(call.journal);
  mark.begin(call.journal);
  mark.take_up(call.journal);
  end_lane<Gpu>(call, context_of(call, block), block / call.blocks_per_lane, Gpu::peek(call.abort) == 0);
  mark.add_up(call.journal);
  mark.end(call.journal, call.journal.name);
}

__global__ void await_slice(const __grid_constant__ args::SliceCall call, SlicePlace place) {
  const auto context = context_of(call, place.block);
  const auto& instruction = call.instructions[place.instruction];
  for (auto w = Gpu::thread(); w < instruction.wait_count; w += Gpu::threads()) {
    const auto& wait = call.waits[instruction.waits + w];
    if (place.slice >= wait.slices) continue;
    const args::HangReport report{1, place.block, place.number, w, static_cast<std::uint64_t>(place.slice)};
    await_flag<Gpu>(call, wait.flag + std::uint64_t{context.part} * args::flag_stride, context.base + wait.first_value + place.ordinal + 1, report);
  }
}

__global__ void raise_slice(const __grid_constant__ args::SliceCall call, SlicePlace place) {
  const auto context = context_of(call, place.block);
  const auto& instruction = call.instructions[place.instruction];
  if (Gpu::peek(call.abort) != 0) return;
  raise<Gpu>(call, instruction.signals, instruction.signal_count, std::uint64_t{context.part} * args::flag_stride,
             context.base + instruction.first_value + place.ordinal + 1);
}

}  // namespace

CudaCode launch_copies_begin(const args::SliceCall& call, std::uint32_t blocks, StreamHandle stream) {
  begin<<<blocks, warp, 0, static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}
CudaCode launch_copies_end(const args::SliceCall& call, std::uint32_t blocks, StreamHandle stream) {
  end<<<blocks, warp, 0, static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}
CudaCode launch_await_slice(const args::SliceCall& call, const SlicePlace& place, StreamHandle stream) {
  await_slice<<<1, warp, 0, static_cast<cudaStream_t>(stream)>>>(call, place);
  return cudaGetLastError();
}
CudaCode launch_raise_slice(const args::SliceCall& call, const SlicePlace& place, StreamHandle stream) {
  raise_slice<<<1, 1, 0, static_cast<cudaStream_t>(stream)>>>(call, place);
  return cudaGetLastError();
}
CudaCode copy_between(std::uint64_t to, std::uint64_t from, std::int64_t bytes, StreamHandle stream) {
  return cudaMemcpyAsync(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), static_cast<std::size_t>(bytes), cudaMemcpyDefault,
                         static_cast<cudaStream_t>(stream));
}

}  // namespace p2plab::device
