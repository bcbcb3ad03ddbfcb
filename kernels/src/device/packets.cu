// The packet kernels: one interpreter, compiled for the common types and once for all others.
#include "device/launching.cuh"
#include "device/ordering.cuh"
#include "device/packet.h"

namespace p2plab::device {

namespace {

/// Tables among the kernel's parameters.
struct InlinedTables {
  image::PacketWave waves[inlined_waves];
  image::PacketSource sources[inlined_sources];
  image::PacketStore stores[inlined_stores];
};
struct MemoryTables {
  static constexpr int width = image::packet_width;
  static constexpr int waves = -1;
  static constexpr int stores = -1;
  static constexpr bool odd = true;
  static constexpr bool once = false;

  const image::PacketWave* wave_table;
  const image::PacketSource* source_table;
  const image::PacketStore* store_table;
  constexpr image::PacketWave wave(std::uint32_t i) const { return wave_table[i]; }
  constexpr std::uint64_t source_address(std::uint32_t i) const { return source_table[i].address; }
  constexpr std::uint32_t source_bytes(std::uint32_t i) const { return source_table[i].bytes; }
  constexpr std::uint64_t store_address(std::uint32_t i) const { return store_table[i] & image::store_address; }
  constexpr bool store_lands(std::uint32_t i) const { return (store_table[i] & image::store_lands) != 0; }
  constexpr std::uint32_t store_source(std::uint32_t i) const { return image::store_source(store_table[i]); }
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
template <class Tables, class Body>
int with_kernel(const KernelChoice& choice, Body&& body) {
  return with_combine(choice, [&](auto combine) {
    using Combine = decltype(combine);
    if constexpr (Combine::element_bytes > 0) {
      if (choice.sentinel) return body(packets<SentinelWire<Combine::element_bytes>, Combine, Tables>, combine);
    }
    return body(packets<FlaggedWire, Combine, Tables>, combine);
  });
}

template <class Kernel, class Combine, class Tables>
CudaCode launch(Kernel kernel, const LaunchShape& shape, StreamHandle stream, Combine combine, Tables tables, image::PacketCall call) {
  void* arguments[] = {&combine, &tables, &call};
  return launch_kernel(reinterpret_cast<const void*>(kernel), shape, stream, arguments);
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

CudaCode launch_special(const void* kernel, const LaunchShape& shape, const std::uint64_t* parameters, const image::PacketCall& call,
                        StreamHandle stream) {
  void* arguments[] = {const_cast<std::uint64_t*>(parameters), const_cast<image::PacketCall*>(&call)};
  return launch_kernel(kernel, shape, stream, arguments);
}

int resident_special_blocks(const void* kernel, std::uint32_t threads) { return resident_blocks(kernel, threads); }

int resident_packet_blocks(const KernelChoice& choice, bool inlined, std::uint32_t threads) {
  const auto count = [&](auto kernel, auto) { return resident_blocks(kernel, threads); };
  return inlined ? with_kernel<InlinedTables>(choice, count) : with_kernel<MemoryTables>(choice, count);
}

}  // namespace p2plab::device
