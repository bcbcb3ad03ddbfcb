// SPDX-License-Identifier: Apache-2.0
// Blocks of a cluster that share a row (Hopper and later). A room of row statistics gets one number from each warp of all blocks; each number comes
// with its own arrival at the room's barrier, so nobody waits for more than the numbers.
#pragma once

#include "rows/row_ordering.cuh"

namespace p2plab::device {

/// The Machine of `Blocks` blocks of `Threads` threads (0: told at the launch), 1024 in all at most. Threads and blocks are counted over what shares
/// a row; a launch has one row for each cluster, so every room is used once.
template <int Blocks, int Threads>
struct RowCluster : RowGpuMachine<> {
  static constexpr bool one_row = true;
  static_assert(Blocks * Threads <= row_strands && Blocks <= 32);
  static constexpr std::uint32_t own_threads() { return Threads > 0 ? static_cast<std::uint32_t>(Threads) : GpuMachine<>::threads(); }
  static constexpr std::uint32_t warps() { return Blocks * own_threads() / 32; }

  static constexpr std::uint32_t place() {
    std::uint32_t value = 0;
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(value));))
    return value;
  }
  static constexpr std::uint32_t thread() { return place() * own_threads() + own_thread(); }
  static constexpr std::uint32_t block() { return own_block() / Blocks; }
  static constexpr std::uint32_t blocks() { return GpuMachine<>::blocks() / Blocks; }

  /// Makes the rooms ready; others may write to them once all blocks have come to row_ready(). Both are called once, by all threads.
  static constexpr void row_begin(std::uint32_t shared) {
    if (own_thread() == 0) {
      unroll<row_rooms>([&](auto room) {
        const auto arrival = shared + room * row_room_words * 4 + row_room_notes;
        NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(arrival) : "memory");))
      });
      NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");))
      unroll<row_rooms>([&](auto room) {
        const auto arrival = shared + room * row_room_words * 4 + row_room_notes;
        NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(arrival), "r"(warps() * 4)
                                                      : "memory");))
      });
    }
    NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("barrier.cluster.arrive.release;" ::: "memory");))
  }
  static constexpr void row_ready() { NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("barrier.cluster.wait.acquire;" ::: "memory");)) }

  template <int, int Sums>
  static constexpr float row_sum(const float (&mine)[Sums], std::uint32_t room) {
    static_assert(Sums == 1, "a thread has one strand");
    auto sum = mine[0];
    unroll<5>([&](auto i) { sum = sum + other_lane(sum, 16 >> i); });
    sum = exchanged(sum, room);
    unroll<5>([&](auto i) { sum = sum + other_lane(sum, 16 >> i); });
    return sum;
  }
  template <int>
  static constexpr float row_max(float mine, std::uint32_t room) {
    return warp_max(exchanged(warp_max(mine), room));
  }

 private:
  /// Gives a warp's number to all blocks; of thread i that of warp i, 0 where there is none.
  static constexpr float exchanged(float mine, std::uint32_t room) {
    const auto in_warp = own_thread() % 32;
    const auto here = room + thread() / 32 * 4;
    const auto arrival = room + row_room_notes;
    if (in_warp < Blocks) {
      NV_IF_TARGET(NV_PROVIDES_SM_90,
                   (asm volatile("{ .reg .b32 there, barrier; mapa.shared::cluster.u32 there, %0, %2; mapa.shared::cluster.u32 barrier, %1, %2; "
                                 "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [there], %3, [barrier]; }" ::"r"(here),
                                 "r"(arrival), "r"(in_warp), "r"(__builtin_bit_cast(std::uint32_t, mine))
                                 : "memory");))
    }
    while (!arrived(arrival)) {
    }
    return in_warp < warps() ? load_shared(room + in_warp * 4) : 0.0F;
  }
  static constexpr bool arrived(std::uint32_t arrival) {
    std::uint32_t done = 1;
    NV_IF_TARGET(NV_PROVIDES_SM_90,
                 (asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                               : "=r"(done)
                               : "r"(arrival)
                               : "memory");))
    return done != 0;
  }
};

}  // namespace p2plab::device
