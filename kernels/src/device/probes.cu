// SPDX-License-Identifier: Apache-2.0
// Kernels that measure single costs: launches, flags, fences, loads and stores by so many thread blocks.
#include <cuda_runtime.h>

#include "device/ordering.cuh"
#include "lowered/probes.h"

namespace p2plab::device {

namespace {

constexpr int in_flight = 4;  // 16-byte accesses of a thread at a time

// Polls until `arrived` says so; false if that took too long.
template <class Arrived>
__device__ bool wait_for(const ProbeCall& call, const Arrived& arrived) {
  const auto start = Gpu::now();
  for (std::uint32_t spins = 1; !arrived(); ++spins) {
    if (spins % Gpu::spins_between_checks != 0 || Gpu::now() - start < call.timeout) continue;
    Gpu::store_flag(call.late, 1);
    return false;
  }
  return true;
}

__device__ void exchange_flags(const ProbeCall& call, std::uint64_t here, std::uint64_t there, bool first) {
  for (std::uint32_t k = 1; k <= call.count; ++k) {
    const auto value = call.base + k;
    if (first) Gpu::store_flag(there, value);
    if (!wait_for(call, [&] { return Gpu::acquire(here) == value; })) return;
    if (!first) Gpu::store_flag(there, value);
  }
}

__device__ void exchange_packets(const ProbeCall& call, bool first) {
  for (std::uint32_t k = 1; k <= call.count; ++k) {
    const auto value = call.base + k;
    const Words<4> packet{{value, value, value, value}};
    if (first) Gpu::send(call.there, packet);
    if (!wait_for(call, [&] {
          const auto got = Gpu::receive(call.here);
          return got.w[1] == value && got.w[3] == value;
        }))
      return;
    if (!first) Gpu::send(call.there, packet);
  }
}

// What thread t of a block sends in a round.
__device__ Words<4> published(const ProbeCall& call, std::uint32_t round) {
  const auto value = call.base + round;
  return {{value, static_cast<std::uint32_t>(Gpu::thread()), ~value, value * 2654435761U}};
}

// Data of all threads, then one flag, as every program of slices does it.
__device__ void publish(const ProbeCall& call) {
  for (std::uint32_t k = 1; k <= call.count; ++k) {
    Gpu::store<4>(call.there + call.bytes + Gpu::thread() * 16, published(call, k));
    Gpu::sync();
    bool lost = false;
    if (Gpu::thread() == 0) {
      Gpu::fence();
      Gpu::store_flag(call.there, call.base + k);
      lost = !wait_for(call, [&] { return Gpu::acquire(call.here) == call.base + k; });
    }
    if (Gpu::sync_any(lost)) return;
  }
}

__device__ void observe(const ProbeCall& call) {
  std::uint32_t other = 0;
  for (std::uint32_t k = 1; k <= call.count; ++k) {
    bool lost = false;
    if (Gpu::thread() == 0) lost = !wait_for(call, [&] { return Gpu::acquire(call.here) == call.base + k; });
    if (Gpu::sync_any(lost)) return;
    const auto got = Gpu::load<4>(call.here + call.bytes + Gpu::thread() * 16);
    const auto sent = published(call, k);
    bool differs = false;
    for (int w = 0; w < 4; ++w) differs = differs || got.w[w] != sent.w[w];
    other += Gpu::sync_any(differs) ? 1 : 0;
    if (Gpu::thread() != 0) continue;
    Gpu::store_flag(call.late + 4, other);
    Gpu::fence();
    Gpu::store_flag(call.there, call.base + k);
  }
}

__device__ void add(const ProbeCall& call) {
  auto* const counter = reinterpret_cast<unsigned*>(call.there) + Gpu::block() * Gpu::threads() + Gpu::thread();
  for (std::uint32_t k = 0; k < call.count; ++k) atomicAdd_system(counter, call.base);
}

// Calls body(offset) for this thread's 16-byte units of its block's part, in_flight of them a block's width apart.
template <class Body>
__device__ void over_part(const ProbeCall& call, const Body& body) {
  const std::uint64_t part = call.bytes / Gpu::blocks() / 16 * 16;
  const std::uint64_t begin = part * Gpu::block();
  const std::uint64_t width = std::uint64_t{Gpu::threads()} * 16;
  for (std::uint64_t at = Gpu::thread() * 16; at + (in_flight - 1) * width < part; at += in_flight * width) body(begin + at, width);
}

__global__ void nothing_kernel() {}

__global__ void probe_kernel(Probe probe, ProbeCall call) {
  switch (probe) {
    case Probe::ping: return exchange_flags(call, call.here, call.there, true);
    case Probe::pong: return exchange_flags(call, call.here, call.there, false);
    case Probe::packet_ping: return exchange_packets(call, true);
    case Probe::packet_pong: return exchange_packets(call, false);
    case Probe::publish: return publish(call);
    case Probe::observe: return observe(call);
    case Probe::adds: return add(call);
    case Probe::local_ping:
      return Gpu::block() == 0 ? exchange_flags(call, call.here, call.there, true) : exchange_flags(call, call.there, call.here, false);
    case Probe::fences:
      for (std::uint32_t k = 0; k < call.count; ++k) {
        Gpu::store_32(call.there, call.base + k);
        Gpu::fence();
      }
      return;
    case Probe::slices:
      for (std::uint32_t k = 0; k < call.count; ++k) {
        if (Gpu::thread() == 0) Gpu::acquire(call.here);
        Gpu::sync();
      }
      return;
    default: break;
  }
  for (std::uint32_t k = 0; k < call.count; ++k) {
    const Words<4> value{{call.base + k, k, 0, 0}};
    over_part(call, [&](std::uint64_t at, std::uint64_t width) {
      Words<4> a[in_flight];
      Words<4> b[in_flight];
      for (int i = 0; i < in_flight; ++i) {
        if (probe != Probe::stores) a[i] = Gpu::load<4>(call.there + at + i * width);
        if (probe == Probe::sums) b[i] = Gpu::load<4>(call.here + at + i * width);
      }
      if (probe == Probe::loads) return;
      for (int i = 0; i < in_flight; ++i) {
        if (probe == Probe::stores) Gpu::store<4>(call.there + at + i * width, value);
        if (probe == Probe::copies) Gpu::store<4>(call.here + at + i * width, a[i]);
        if (probe != Probe::sums) continue;
        for (int w = 0; w < 4; ++w) a[i].w[w] += b[i].w[w];
        Gpu::store<4>(call.here + at + i * width, a[i]);
      }
    });
  }
}

}  // namespace

CudaCode launch_probe(Probe probe, const LaunchShape& shape, const ProbeCall& call, StreamHandle stream) {
  if (probe == Probe::nothing)
    nothing_kernel<<<shape.blocks, shape.threads, 0, static_cast<cudaStream_t>(stream)>>>();
  else
    probe_kernel<<<shape.blocks, shape.threads, 0, static_cast<cudaStream_t>(stream)>>>(probe, call);
  return cudaGetLastError();
}

}  // namespace p2plab::device
