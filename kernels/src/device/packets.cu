// The packet kernels: one interpreter, compiled for the common types and once for all others.
#include <cuda_runtime.h>

#include "device/arithmetic.cuh"
#include "device/ordering.cuh"
#include "device/packet.h"
#include "launch.h"

namespace p2plab::device {

namespace {

constexpr unsigned most_threads = 512;

/// Tables among the kernel's parameters.
struct InlinedTables {
  image::PacketWave waves[inlined_waves];
  image::PacketSource sources[inlined_sources];
  image::PacketStore stores[inlined_stores];
};
struct MemoryTables {
  const image::PacketWave* waves;
  const image::PacketSource* sources;
  const image::PacketStore* stores;
  constexpr image::PacketWave wave(std::uint32_t i) const { return waves[i]; }
  constexpr image::PacketSource source(std::uint32_t i) const { return sources[i]; }
  constexpr image::PacketStore store(std::uint32_t i) const { return stores[i]; }
};

// A kernel's parameters come from memory like anything else, a line at a time where the program reads them in order. So all threads fetch them at
// once, and that before the kernel before this one has ended.
__device__ MemoryTables stage(const InlinedTables& tables, const image::PacketCall& call) {
  __shared__ alignas(16) unsigned char memory[sizeof(InlinedTables)];
  auto* const sources = reinterpret_cast<image::PacketSource*>(memory);
  auto* const stores = reinterpret_cast<image::PacketStore*>(memory + sizeof tables.sources);
  auto* const waves = reinterpret_cast<image::PacketWave*>(memory + sizeof tables.sources + sizeof tables.stores);
  for (auto i = threadIdx.x; i < call.waves; i += blockDim.x) waves[i] = tables.waves[i];
  for (auto i = threadIdx.x; i < call.source_count; i += blockDim.x) sources[i] = tables.sources[i];
  for (auto i = threadIdx.x; i < call.store_count; i += blockDim.x) stores[i] = tables.stores[i];
  Gpu::sync();
  return {waves, sources, stores};
}
__device__ MemoryTables stage(const MemoryTables& tables, const image::PacketCall&) { return tables; }

template <class Wire, class Combine, class Tables>
__global__ void __launch_bounds__(most_threads)
    packets(const __grid_constant__ Combine combine, const __grid_constant__ Tables tables, const __grid_constant__ image::PacketCall call) {
  Gpu::let_next_start();
  const auto ready = stage(tables, call);
  const image::PacketCall mine = call;
  Gpu::await_previous();
  run_packets<Gpu, Wire>(combine, ready, mine);
}

/// Calls body(kernel, combine) with the kernel for `choice`. `Tables` says where the tables lie.
template <class Tables, int Bytes, class Combine, class Body>
int with_wire(const KernelChoice& choice, Combine combine, Body&& body) {
  if (choice.sentinel) return body(packets<SentinelWire<Bytes>, Combine, Tables>, combine);
  return body(packets<FlaggedWire, Combine, Tables>, combine);
}

template <class Tables, class Body>
int with_kernel(const KernelChoice& choice, Body&& body) {
  if (!choice.reduces) return body(packets<FlaggedWire, Nothing, Tables>, Nothing{});
  const bool sum = choice.op == ReduceOp::sum || choice.op == ReduceOp::average;
  if (sum && choice.type == DataType::float16) return with_wire<Tables, 2>(choice, Fixed<Half, ReduceOp::sum>{}, body);
  if (sum && choice.type == DataType::bfloat16) return with_wire<Tables, 2>(choice, Fixed<BFloat, ReduceOp::sum>{}, body);
  if (sum && choice.type == DataType::float32) return with_wire<Tables, 4>(choice, Fixed<Float, ReduceOp::sum>{}, body);
  return body(packets<FlaggedWire, Chosen, Tables>, Chosen{choice.type, choice.op});
}

template <class Kernel, class... Arguments>
CudaCode launch(Kernel kernel, const LaunchShape& shape, StreamHandle stream, const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = shape.blocks;
  config.blockDim = shape.threads;
  config.stream = static_cast<cudaStream_t>(stream);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = shape.programmatic ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

template <class Kernel>
int resident(Kernel kernel, std::uint32_t threads) {
  int device = 0;
  int processors = 0;
  int blocks = 0;
  if (const auto code = cudaGetDevice(&device); code != cudaSuccess) return -code;
  if (const auto code = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device); code != cudaSuccess) return -code;
  if (const auto code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(threads), 0); code != cudaSuccess)
    return -code;
  return processors * blocks;
}

}  // namespace

CudaCode launch_packets(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const image::PacketCall& call,
                        StreamHandle stream) {
  if (!tables.inlined) {
    return with_kernel<MemoryTables>(choice, [&](auto kernel, auto combine) {
      return launch(kernel, shape, stream, combine, MemoryTables{tables.waves, tables.sources, tables.stores}, call);
    });
  }
  InlinedTables inlined{};
  for (std::uint32_t i = 0; i < call.waves; ++i) inlined.waves[i] = tables.waves[i];
  for (std::uint32_t i = 0; i < call.source_count; ++i) inlined.sources[i] = tables.sources[i];
  for (std::uint32_t i = 0; i < call.store_count; ++i) inlined.stores[i] = tables.stores[i];
  return with_kernel<InlinedTables>(choice, [&](auto kernel, auto combine) { return launch(kernel, shape, stream, combine, inlined, call); });
}

int resident_packet_blocks(const KernelChoice& choice, bool inlined, std::uint32_t threads) {
  const auto count = [&](auto kernel, auto) { return resident(kernel, threads); };
  return inlined ? with_kernel<InlinedTables>(choice, count) : with_kernel<MemoryTables>(choice, count);
}

}  // namespace p2plab::device
