// SPDX-License-Identifier: Apache-2.0
// What rows (rows/worker.h) ask of a Machine, on the CPU: blocks of one thread, which has all strands. Sums are those of GPUs, bit by bit.
#pragma once

#include <array>
#include <cmath>
#include <cstring>

#include "p2plab/detail/float16.h"
#include "rows/worker.h"

namespace p2plab {

/// Loads and stores of the CPU's own memory.
struct PlainCpu {
  static std::uint32_t thread() { return 0; }
  static std::uint32_t block() { return 0; }
  static std::uint32_t blocks() { return 1; }
  template <int N>
  static device::Words<N> load(std::uint64_t address) {
    device::Words<N> words;
    std::memcpy(words.w, reinterpret_cast<const void*>(address), sizeof words.w);
    return words;
  }
  template <int N>
  static void store(std::uint64_t address, const device::Words<N>& words) {
    std::memcpy(reinterpret_cast<void*>(address), words.w, sizeof words.w);
  }
  template <class T>
  static void store_as(std::uint64_t address, std::uint32_t value) {
    const auto narrow = static_cast<T>(value);
    std::memcpy(reinterpret_cast<void*>(address), &narrow, sizeof narrow);
  }
  static std::uint32_t load_8(std::uint64_t address) { return *reinterpret_cast<const std::uint8_t*>(address); }
  static void store_32(std::uint64_t address, std::uint32_t value) { store_as<std::uint32_t>(address, value); }
  static void store_16(std::uint64_t address, std::uint32_t value) { store_as<std::uint16_t>(address, value); }
  static void store_8(std::uint64_t address, std::uint32_t value) { store_as<std::uint8_t>(address, value); }
};

template <class Base>
struct RowCpu : Base {
  static constexpr bool one_row = false;
  static std::uint32_t own_thread() { return Base::thread(); }
  static std::uint32_t own_block() { return Base::block(); }
  static void row_begin(std::uint32_t) {}
  static void row_ready() {}

  template <int Threads, int Sums>
  static float row_sum(const float (&mine)[Sums], std::uint32_t) {
    static_assert(Threads == 1, "blocks have one thread");
    return sum_of_strands(mine, Sums);
  }
  template <int Threads>
  static float row_max(float mine, std::uint32_t) {
    return mine;
  }
  template <int Width, class Other>
  static float group_max(float, std::uint32_t vector, Other&& other) {
    float most = 0;
    for (std::uint32_t v = vector / Width * Width; v < vector / Width * Width + Width; ++v) {
      const float value = other(v);
      if (value > most) most = value;
    }
    return most;
  }
  static float fma(float a, float b, float c) { return std::fma(a, b, c); }
  static float root(float a) { return std::sqrt(a); }
  static std::uint32_t two_e4m3(float first, float second) { return device::to_e4m3(first) | device::to_e4m3(second) << 8; }
  static float load_float(std::uint64_t address) {
    float value = 0;
    std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
    return value;
  }
  static void store_float(std::uint64_t address, float value) { std::memcpy(reinterpret_cast<void*>(address), &value, sizeof value); }
  static void arrive(std::uint64_t counter) { __atomic_fetch_add(reinterpret_cast<std::uint32_t*>(counter), 1U, __ATOMIC_ACQ_REL); }

  /// Of the first `count` strands, the rest being 0.
  static float sum_of_strands(const float* strand, int count) {
    std::array<float, 32> warps{};
    for (int first = 0; first < count; first += 32) {
      std::array<float, 32> strands{};
      for (int i = first; i < count && i < first + 32; ++i) strands[static_cast<std::size_t>(i - first)] = strand[i];
      warps[static_cast<std::size_t>(first / 32)] = by_halves(strands);
    }
    return by_halves(warps);
  }

 private:
  static float by_halves(std::array<float, 32> values) {
    for (std::size_t half = 16; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) values[i] = values[i] + values[i + half];
    }
    return values[0];
  }
};

/// The number types of rows, without PTX.
struct CpuHalf {
  static constexpr int per_word = 2;
  static float unpack(std::uint32_t word, int index) { return to_float(Half{static_cast<std::uint16_t>(word >> (index * 16))}); }
  static std::uint32_t pack(float value, int index) { return std::uint32_t{to_half(value).bits} << (index * 16); }
};
struct CpuBFloat {
  static constexpr int per_word = 2;
  static float unpack(std::uint32_t word, int index) { return to_float(BFloat16{static_cast<std::uint16_t>(word >> (index * 16))}); }
  static std::uint32_t pack(float value, int index) { return std::uint32_t{to_bfloat16(value).bits} << (index * 16); }
};
struct CpuFloat {
  static constexpr int per_word = 1;
  static float unpack(std::uint32_t word, int) { return __builtin_bit_cast(float, word); }
  static std::uint32_t pack(float value, int) { return __builtin_bit_cast(std::uint32_t, value); }
};

}  // namespace p2plab
