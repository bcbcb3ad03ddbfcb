// SPDX-License-Identifier: Apache-2.0
// What rows ask of a GPU beside what packets do (worker.h): sums over a block, numbers, and the meeting of a rank's blocks.
#pragma once

#include "device/ordering.cuh"
#include "rows/worker.h"

namespace p2plab::device {

template <class = void>
struct RowGpuMachine : GpuMachine<> {
  /// A block takes rows by itself, and one after another.
  static constexpr bool one_row = false;
  static constexpr std::uint32_t own_thread() { return GpuMachine<>::thread(); }
  static constexpr std::uint32_t own_block() { return GpuMachine<>::block(); }
  static constexpr void row_begin(std::uint32_t) {}
  static constexpr void row_ready() {}
  /// Has a line come to the L2 cache, whoever may still write to it: all see what it holds when they load it.
  static constexpr void prefetch(std::uint64_t address) { asm volatile("prefetch.global.L2 [%0];" ::"l"(address) : "memory"); }

  static constexpr float other_lane(float mine, int distance) {
    float value = 0;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=f"(value) : "f"(mine), "r"(distance));
    return value;
  }
  static constexpr float load_shared(std::uint32_t address) {
    float value = 0;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
    return value;
  }
  static constexpr void store_shared(std::uint32_t address, float value) {
    asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
  }

  /// The sum over all strands, in all threads of the block, in the order that worker.h says; `room` holds 32 words.
  template <int Threads, int Sums>
  static constexpr float row_sum(const float (&mine)[Sums], std::uint32_t room) {
    constexpr std::uint32_t warps = Threads / 32;
    const auto in_warp = thread() % 32;
    unroll<Sums>([&](auto k) {
      auto sum = mine[k];
      unroll<5>([&](auto i) { sum = sum + other_lane(sum, 16 >> i); });
      if (in_warp == 0) store_shared(room + (k * warps + thread() / 32) * 4, sum);
    });
    sync();
    auto sum = in_warp < Sums * warps ? load_shared(room + in_warp * 4) : 0.0F;
    unroll<5>([&](auto i) { sum = sum + other_lane(sum, 16 >> i); });
    return sum;
  }
  template <int Threads>
  static constexpr float row_max(float mine, std::uint32_t room) {
    constexpr std::uint32_t warps = Threads / 32;
    const auto in_warp = thread() % 32;
    const auto most = warp_max(mine);
    if (in_warp == 0) store_shared(room + thread() / 32 * 4, most);
    sync();
    return warp_max(in_warp < warps ? load_shared(room + in_warp * 4) : 0.0F);
  }
  /// The largest of `Width` neighbouring threads, a power of two, which all come here.
  template <int Width, class Other>
  static constexpr float group_max(float mine, std::uint32_t, Other&&) {
    auto most = mine;
    std::uint32_t members = 0xffffffffU;
    if constexpr (Width < 32) members = GpuMachine<>::neighbours<Width>();
    for (int distance = Width / 2; distance > 0; distance /= 2) {
      float value = 0;
      asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, %3;" : "=f"(value) : "f"(most), "r"(distance), "r"(members));
      most = larger(most, value);
    }
    return most;
  }
  /// The largest of a warp's numbers, none of which is negative or NaN.
  static constexpr float warp_max(float mine) {
    std::uint32_t most = 0;
    const auto bits = __builtin_bit_cast(std::uint32_t, mine);
    asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(most) : "r"(bits));
    return __builtin_bit_cast(float, most);
  }
  static constexpr float larger(float a, float b) { return b > a ? b : a; }

  static constexpr float fma(float a, float b, float c) {
    float value = 0;
    asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(value) : "f"(a), "f"(b), "f"(c));
    return value;
  }
  static constexpr float root(float a) {
    float value = 0;
    asm("sqrt.rn.f32 %0, %1;" : "=f"(value) : "f"(a));
    return value;
  }
  /// Two numbers as float8, the first one in the low byte.
  static constexpr std::uint32_t two_e4m3(float first, float second) {
    std::uint32_t both = 0;
    NV_IF_ELSE_TARGET(NV_PROVIDES_SM_90,
                      (asm("{ .reg .b16 h; cvt.rn.satfinite.e4m3x2.f32 h, %2, %1; cvt.u32.u16 %0, h; }"
                           : "=r"(both)
                           : "f"(first), "f"(second));),
                      (both = to_e4m3(first) | to_e4m3(second) << 8;))
    return both;
  }
  static constexpr float load_float(std::uint64_t address) { return __builtin_bit_cast(float, load_32(address)); }
  static constexpr void store_float(std::uint64_t address, float value) { store_32(address, __builtin_bit_cast(std::uint32_t, value)); }

  /// One more at a counter of this GPU; who acquires it sees what this thread's block did before its last sync().
  static constexpr void arrive(std::uint64_t counter) {
    asm volatile("fence.acq_rel.gpu; red.relaxed.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
  }
};

using RowGpu = RowGpuMachine<>;

}  // namespace p2plab::device
