// SPDX-License-Identifier: Apache-2.0
// Host-side launch interface, without CUDA headers: plain data and two functions that launch a kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "device/data.h"
#include "lowered/kernel_args.h"
#include "p2plab/schedule/payload.h"
#include "rows/epilogue_args.h"

namespace p2plab::device {

/// A CUDA stream or error code without CUDA's headers.
using StreamHandle = void*;
using CudaCode = int;

/// What decides which kernel runs.
struct KernelChoice {
  DataType type = DataType::float32;
  ReduceOp op = ReduceOp::sum;
  bool reduces = true;   // false: nothing is added, so type and op do not matter
  bool lamport = false;  // packets: Lamport: data is its own flag (floating point only)
  bool bulk = false;     // slices: through shared memory by bulk copies (Hopper and later)
  bool shifts = false;   // slices: of a program whose data does not all lie at multiples of 16 bytes
  bool steps = false;    // notes steps in the call's journal; the grid is that of calls without
  bool ll128 = false;    // packets: eight threads carry 120 bytes and a flag; only in code made for a program
};

/// Are there interpreters that note steps for it? There are for what is common; code made for a program always can.
constexpr bool can_note_steps(const KernelChoice& choice) {
  const bool sum = choice.op == ReduceOp::sum || choice.op == ReduceOp::average;
  return !choice.reduces || (sum && (choice.type == DataType::float16 || choice.type == DataType::bfloat16 || choice.type == DataType::float32));
}

struct LaunchShape {
  std::uint32_t blocks = 1;
  std::uint32_t threads = 128;
  bool programmatic = false;  // set up while the kernel before it still runs
};

/// Waves, sources and stores of a packet program, and what each column has of them, in device memory.
struct PacketTables {
  const args::PacketWave* waves = nullptr;
  const args::PacketSource* sources = nullptr;
  const args::PacketStore* stores = nullptr;
  const args::ColumnTables* columns = nullptr;
};

/// Launches on the current device. Codes are cudaError_t's.
CudaCode launch_packets(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const args::PacketCall& call,
                        StreamHandle stream);
/// A kernel made for a program (specialise.h); `parameters` are its packet_parameters, `epilogue` what it has beside if the program has one.
CudaCode launch_special(const void* kernel, const LaunchShape& shape, const std::uint64_t* parameters, const args::PacketCall& call,
                        StreamHandle stream, const args::EpilogueCall* epilogue = nullptr);
/// The epilogue as a kernel of its own.
CudaCode launch_rows(DataType type, const args::EpilogueCall& call, std::uint32_t most_blocks, StreamHandle stream);  // 0: any number
CudaCode launch_neighbours(const args::NeighbourCall& call, StreamHandle stream);
/// Has the kernel loaded, which may wait for kernels that run: not when it is first launched, beside one that waits for it.
CudaCode load_neighbours();
/// Stores what the GPU's clock shows, two words, and behind them the number, in pinned host memory.
CudaCode launch_tell_time(std::uint64_t to, std::uint32_t number, StreamHandle stream);
CudaCode load_tell_time();  // the same
CudaCode launch_slices(const KernelChoice& choice, const LaunchShape& shape, const args::SliceCall& call, StreamHandle stream);
/// Blocks of this kernel that the current device can hold at once; negative: a cudaError_t, negated. Ask for slices by bulk copies before launching
/// them: the answer also lets the kernel have its shared memory.
int resident_packet_blocks(const KernelChoice& choice, std::uint32_t threads);
int resident_special_blocks(const void* kernel, std::uint32_t threads, std::uint32_t cluster = 1);  // blocks of which so many are a cluster
int resident_slice_blocks(const KernelChoice& choice, std::uint32_t threads);
/// One thread that waits until the word at `address` (pinned host memory) is not zero, so that all ranks start what follows together.
CudaCode launch_gate(std::uint64_t address, std::uint64_t timeout, StreamHandle stream);
/// Fills `words` 16-byte units at `address` with a pattern of four words.
CudaCode launch_fill(std::uint64_t address, std::uint64_t count, const std::uint32_t (&pattern)[4], StreamHandle stream);

/// Writes test data into a span, and compares a span with the reduction that belongs there (`divisor` > 1: an average).
CudaCode launch_generate(const BlockSpan& span, DataType type, ReduceOp op, std::uint64_t seed, StreamHandle stream);
CudaCode launch_compare(const BlockSpan& span, DataType type, ReduceOp op, std::uint64_t seed, std::int32_t divisor, CheckResult* result,
                        StreamHandle stream);

}  // namespace p2plab::device
