// SPDX-License-Identifier: Apache-2.0
// The packet kernels: one interpreter, compiled for the common types and once for all others; with Steps for calls whose steps are noted.
#pragma once

#include "device/launching.cuh"
#include "device/ordering.cuh"
#include "device/packet.h"

namespace p2plab::device {

namespace {

/// Tables in memory: the GPU's, or shared.
template <bool Steps>
struct MemoryTables {
  static constexpr int width = args::packet_width;
  static constexpr int waves = -1;
  static constexpr int stores = -1;
  static constexpr bool odd = true;
  static constexpr bool once = false;
  static constexpr bool recorded = true;
  static constexpr bool steps = Steps;

  const args::PacketWave* wave_table;
  const args::PacketSource* source_table;
  const args::PacketStore* store_table;
  const args::ColumnTables* column_table;
  constexpr args::ColumnTables column(std::uint32_t i) const { return column_table[i]; }
  constexpr MemoryTables from(const args::ColumnTables& mine) const {
    return {wave_table + mine.wave, source_table + mine.source, store_table + mine.store, column_table};
  }
  constexpr args::PacketWave wave(std::uint32_t i) const { return wave_table[i]; }
  constexpr std::uint64_t source_address(std::uint32_t i) const { return source_table[i].address; }
  constexpr std::uint32_t source_bytes(std::uint32_t i) const { return source_table[i].bytes; }
  constexpr std::uint64_t store_address(std::uint32_t i) const { return store_table[i] & args::store_address; }
  constexpr bool store_lands(std::uint32_t i) const { return (store_table[i] & args::store_lands) != 0; }
  constexpr std::uint32_t store_source(std::uint32_t i) const { return args::store_source(store_table[i]); }
};

// Small tables are staged in shared memory by all threads, overlapped with the preceding kernel (programmatic dependent launch).
constexpr std::uint32_t staged_waves = 32;
constexpr std::uint32_t staged_sources = 64;
constexpr std::uint32_t staged_stores = 96;

template <bool Steps>
__device__ MemoryTables<Steps> stage(const MemoryTables<Steps>& tables, const args::PacketCall& call) {
  __shared__ args::PacketWave waves[staged_waves];
  __shared__ args::PacketSource sources[staged_sources];
  __shared__ args::PacketStore stores[staged_stores];
  if (call.waves > staged_waves || call.source_count > staged_sources || call.store_count > staged_stores) return tables;
  for (auto i = threadIdx.x; i < call.waves; i += blockDim.x) waves[i] = tables.wave_table[i];
  for (auto i = threadIdx.x; i < call.source_count; i += blockDim.x) sources[i] = tables.source_table[i];
  for (auto i = threadIdx.x; i < call.store_count; i += blockDim.x) stores[i] = tables.store_table[i];
  Gpu::sync();
  return {waves, sources, stores, tables.column_table};
}

template <class Wire, class Combine, bool Steps>
__global__ void __launch_bounds__(most_threads) packets(const __grid_constant__ Combine combine, const __grid_constant__ MemoryTables<Steps> tables,
                                                        const __grid_constant__ args::PacketCall call) {
  Gpu::let_next_start();
  auto mine = call;
  const auto ready = stage(tables_of_column<Gpu>(tables, mine), mine);
  Gpu::await_previous();
  run_packets<Gpu, Wire>(combine, ready, mine);
}

/// Calls body(kernel, combine) with the kernel for `choice`.
template <bool Steps, class Body>
int with_kernel(const KernelChoice& choice, Body&& body) {
  return with_combine<Steps>(choice, [&](auto combine) {
    using Combine = decltype(combine);
    if constexpr (Combine::element_bytes > 0) {
      if (choice.lamport) return body(packets<LamportWire<Combine::element_bytes>, Combine, Steps>, combine);
    }
    return body(packets<LlWire, Combine, Steps>, combine);
  });
}

template <bool Steps>
CudaCode launch(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const args::PacketCall& call, StreamHandle stream) {
  return with_kernel<Steps>(choice, [&](auto kernel, auto combine) {
    MemoryTables<Steps> given{tables.waves, tables.sources, tables.stores, tables.columns};
    auto mine = call;
    void* arguments[] = {&combine, &given, &mine};
    return launch_kernel(reinterpret_cast<const void*>(kernel), shape, stream, arguments);
  });
}

template <bool Steps>
int resident(const KernelChoice& choice, std::uint32_t threads) {
  return with_kernel<Steps>(choice, [&](auto kernel, auto) { return resident_blocks(kernel, threads); });
}

}  // namespace

}  // namespace p2plab::device
