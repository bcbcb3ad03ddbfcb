// SPDX-License-Identifier: Apache-2.0
// The PTX of bulk copies between global and shared memory (cp.async.bulk, Hopper and later), each with the guarantee that it gives. On GPUs without
// them nothing here may be called. Addresses in shared memory are offsets of its own window.
#pragma once

#include "device/ordering.cuh"

namespace p2plab::device {

template <class = void>
struct BulkGpuMachine : GpuMachine<> {
  /// A word that says when copies into shared memory have come. Used once inits are fenced and synced.
  static constexpr void arrival_init(std::uint32_t arrival) {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(arrival) : "memory");))
  }
  /// The next phase ends when `bytes` have come.
  static constexpr void expect(std::uint32_t arrival, std::uint32_t bytes) {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(arrival), "r"(bytes) : "memory");))
  }
  /// Has the phase of this parity ended? Then its data is visible to this thread. May wait a little.
  static constexpr bool arrived(std::uint32_t arrival, std::uint32_t parity) {
    std::uint32_t done = 1;
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                                                  : "=r"(done)
                                                  : "r"(arrival), "r"(parity)
                                                  : "memory");))
    return done != 0;
  }

  /// Any multiple of 16 bytes at multiples of 16, seen through `arrival`.
  static constexpr void bulk_load(std::uint32_t to, std::uint64_t from, std::uint32_t bytes, std::uint32_t arrival) {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
                                                  "l"(from), "r"(bytes), "r"(arrival)
                                                  : "memory");))
  }
  static constexpr void bulk_store(std::uint64_t to, std::uint32_t from, std::uint32_t bytes) {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to), "r"(from), "r"(bytes)
                                                  : "memory");))
  }
  /// This thread's bulk stores since the last commit are a group.
  static constexpr void bulk_commit() { NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("cp.async.bulk.commit_group;" ::: "memory");)) }
  /// All of this thread's groups but the last `Left` have read their shared memory.
  template <int Left>
  static constexpr void bulk_await_read() {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Left) : "memory");))
  }
  /// All of this thread's groups but the last `Left` have written, visibly to this thread; so a fence and a flag after it tell others.
  template <int Left>
  static constexpr void bulk_await() {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Left) : "memory");))
  }
  /// What this thread has done or knows of by ordinary accesses, before what bulk copies do after it; and the other way round.
  static constexpr void bulk_fence() { NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("fence.proxy.async;" ::: "memory");)) }

  static constexpr Words<4> load_shared(std::uint32_t address) {
    Words<4> value;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(value.w[0]), "=r"(value.w[1]), "=r"(value.w[2]), "=r"(value.w[3])
                 : "r"(address)
                 : "memory");
    return value;
  }
  static constexpr std::uint64_t load_shared_64(std::uint32_t address) {
    std::uint64_t value = 0;
    asm volatile("ld.shared.u64 %0, [%1];" : "=l"(value) : "r"(address));
    return value;
  }
  static constexpr void set_shared_64(std::uint32_t address, std::uint64_t value) {
    asm volatile("st.shared.u64 [%0], %1;" ::"r"(address), "l"(value) : "memory");
  }
  /// A word of shared memory that another thread of the block sets while this one looks.
  static constexpr std::uint32_t peek_shared(std::uint32_t address) {
    std::uint32_t value = 0;
    asm volatile("ld.volatile.shared.u32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
    return value;
  }
  static constexpr void set_shared(std::uint32_t address, std::uint32_t value) {
    asm volatile("st.volatile.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
  }
};

using BulkGpu = BulkGpuMachine<>;

}  // namespace p2plab::device
