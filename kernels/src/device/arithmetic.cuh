// SPDX-License-Identifier: Apache-2.0
// Sums, products, minima and maxima of vectors of every data type, with 16-bit floating point added up in float32 and short integers in int32.
#pragma once

#include <cstdint>
#include <type_traits>

#include "device/words.h"
#include "p2plab/schedule/payload.h"

namespace p2plab::device {

/// Bits in and out of registers, without any conversion.
template <class To, class From>
constexpr To bits(From from) {
  return __builtin_bit_cast(To, from);
}

// Each number type: what a word holds and in what it is added up. (Templates where there is PTX, see ordering.cuh.)
template <class = void>
struct HalfNumber {
  static constexpr int per_word = 2;
  using Wide = float;
  static constexpr float unpack(std::uint32_t word, int index) {
    float value = 0;
    const auto half = static_cast<std::uint16_t>(word >> (index * 16));
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
  }
  static constexpr std::uint32_t pack(float value, int index) {
    std::uint16_t half = 0;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return std::uint32_t{half} << (index * 16);
  }
  /// Adds +0.0, which turns -0.0 into +0.0 and changes nothing else.
  static constexpr std::uint32_t tidy(std::uint32_t word) {
    std::uint32_t sum = 0;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(sum) : "r"(word), "r"(0));
    return sum;
  }
};
template <class = void>
struct BFloatNumber {
  static constexpr int per_word = 2;
  using Wide = float;
  static constexpr float unpack(std::uint32_t word, int index) { return bits<float>(index == 0 ? word << 16 : word & 0xffff0000U); }
  static constexpr std::uint32_t pack(float value, int index) {
    std::uint16_t half = 0;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return std::uint32_t{half} << (index * 16);
  }
  /// Times one plus +0.0: the same.
  static constexpr std::uint32_t tidy(std::uint32_t word) {
    std::uint32_t sum = 0;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(word), "r"(0x3f803f80), "r"(0));
    return sum;
  }
};
using Half = HalfNumber<>;
using BFloat = BFloatNumber<>;

struct Float {
  static constexpr int per_word = 1;
  using Wide = float;
  static constexpr float unpack(std::uint32_t word, int) { return bits<float>(word); }
  static constexpr std::uint32_t pack(float value, int) { return bits<std::uint32_t>(value); }
  static constexpr std::uint32_t tidy(std::uint32_t word) { return word == 0x80000000U ? 0 : word; }
};
template <class T>
struct Whole {
  static constexpr int per_word = 4 / static_cast<int>(sizeof(T));
  using Wide = std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>;
  static constexpr Wide unpack(std::uint32_t word, int index) { return static_cast<T>(word >> (index * 8 * static_cast<int>(sizeof(T)) % 32)); }
  static constexpr std::uint32_t pack(Wide value, int index) {
    return static_cast<std::uint32_t>(static_cast<std::make_unsigned_t<T>>(value)) << (index * 8 * static_cast<int>(sizeof(T)) % 32);
  }
};
/// Two words hold one number.
template <class T>
struct Double {
  static constexpr int per_word = 0;
  using Wide = T;
};

template <ReduceOp Op, class T>
constexpr T combined(T a, T b) {
  if constexpr (Op == ReduceOp::product) return a * b;
  if constexpr (Op == ReduceOp::min) return b < a ? b : a;
  if constexpr (Op == ReduceOp::max) return a < b ? b : a;
  return a + b;
}

/// Adds vectors of N words that hold numbers of one kind. A Sum is raw bits, so that one type serves all kinds.
template <class Number, ReduceOp Op, int N>
struct Adder {
  static constexpr bool pairs = Number::per_word == 0;
  using Wide = typename Number::Wide;
  static constexpr int count = pairs ? N / 2 : N * Number::per_word;
  using Store = std::conditional_t<pairs, std::uint64_t, std::uint32_t>;

  static constexpr Wide number(const Words<N>& value, int i) {
    if constexpr (pairs) {
      return bits<Wide>(std::uint64_t{value.w[2 * i]} | std::uint64_t{value.w[2 * i + 1]} << 32);
    } else {
      return Number::unpack(value.w[i / Number::per_word], i % Number::per_word);
    }
  }
  static constexpr void start(Wide (&sum)[count], const Words<N>& value) {
    unroll<count>([&](auto i) { sum[i] = number(value, i); });
  }
  static constexpr void add(Wide (&sum)[count], const Words<N>& value) {
    unroll<count>([&](auto i) { sum[i] = combined<Op>(sum[i], number(value, i)); });
  }
  static constexpr Words<N> finish(const Wide (&sum)[count], std::int32_t divisor) {
    Words<N> result;
    unroll<count>([&](auto i) {
      const Wide value = divisor == 1 ? sum[i] : static_cast<Wide>(sum[i] / static_cast<Wide>(divisor));
      if constexpr (pairs) {
        const auto word = bits<std::uint64_t>(value);
        result.w[2 * i] = static_cast<std::uint32_t>(word);
        result.w[2 * i + 1] = static_cast<std::uint32_t>(word >> 32);
      } else {
        result.w[i / Number::per_word] |= Number::pack(value, i % Number::per_word);
      }
    });
    return result;
  }
};

/// One type, one operation, fixed when compiled.
template <class Number, ReduceOp Op>
struct Fixed {
  static constexpr int element_bytes = Number::per_word == 0 ? 8 : 4 / Number::per_word;
  /// The value with every -0.0 replaced by +0.0; for floating point only.
  template <int N>
  constexpr Words<N> tidy(Words<N> value) const {
    unroll<N>([&](auto k) { value.w[k] = Number::tidy(value.w[k]); });
    return value;
  }
  template <int N>
  struct Sum {
    typename Number::Wide values[Adder<Number, Op, N>::count];
  };
  template <int N>
  constexpr void start(Sum<N>& sum, const Words<N>& value) const {
    Adder<Number, Op, N>::start(sum.values, value);
  }
  template <int N>
  constexpr void add(Sum<N>& sum, const Words<N>& value) const {
    Adder<Number, Op, N>::add(sum.values, value);
  }
  template <int N>
  constexpr Words<N> finish(const Sum<N>& sum, std::int32_t divisor) const {
    return Adder<Number, Op, N>::finish(sum.values, divisor);
  }
};

/// For programs that only move data.
struct Nothing {
  static constexpr int element_bytes = 0;  // unknown
  template <int N>
  struct Sum {
    Words<N> value;
  };
  template <int N>
  constexpr void start(Sum<N>& sum, const Words<N>& value) const {
    sum.value = value;
  }
  template <int N>
  constexpr void add(Sum<N>&, const Words<N>&) const {}
  template <int N>
  constexpr Words<N> finish(const Sum<N>& sum, std::int32_t) const {
    return sum.value;
  }
};

/// Any type and operation, chosen by a switch for each vector: slower per element, one kernel for all the rare cases. Not inlined, to compile fast.
struct Chosen {
  static constexpr int element_bytes = 0;
  DataType type = DataType::float32;
  ReduceOp op = ReduceOp::sum;

  template <int N>
  struct Sum {
    std::uint32_t raw[N * 4];
  };

  /// Calls body(adder) for the type and operation at hand.
  template <int N, class Body>
  constexpr void choose(Body&& body) const {
    switch (op) {
      case ReduceOp::product: return of_type<ReduceOp::product, N>(body);
      case ReduceOp::min: return of_type<ReduceOp::min, N>(body);
      case ReduceOp::max: return of_type<ReduceOp::max, N>(body);
      default: return of_type<ReduceOp::sum, N>(body);
    }
  }
  template <ReduceOp Op, int N, class Body>
  constexpr void of_type(Body&& body) const {
    switch (type) {
      case DataType::float16: return body(Adder<Half, Op, N>{});
      case DataType::bfloat16: return body(Adder<BFloat, Op, N>{});
      case DataType::float32: return body(Adder<Float, Op, N>{});
      case DataType::float64: return body(Adder<Double<double>, Op, N>{});
      case DataType::int8: return body(Adder<Whole<std::int8_t>, Op, N>{});
      case DataType::int16: return body(Adder<Whole<std::int16_t>, Op, N>{});
      case DataType::int32: return body(Adder<Whole<std::int32_t>, Op, N>{});
      case DataType::int64: return body(Adder<Double<std::int64_t>, Op, N>{});
      case DataType::uint8: return body(Adder<Whole<std::uint8_t>, Op, N>{});
      case DataType::uint16: return body(Adder<Whole<std::uint16_t>, Op, N>{});
      case DataType::uint32: return body(Adder<Whole<std::uint32_t>, Op, N>{});
      case DataType::uint64: return body(Adder<Double<std::uint64_t>, Op, N>{});
    }
  }

  template <class Adder, int N>
  static constexpr void read(const Sum<N>& sum, typename Adder::Wide (&wide)[Adder::count]) {
    unroll<Adder::count>([&](auto i) {
      if constexpr (Adder::pairs) {
        wide[i] = bits<typename Adder::Wide>(std::uint64_t{sum.raw[2 * i]} | std::uint64_t{sum.raw[2 * i + 1]} << 32);
      } else {
        wide[i] = bits<typename Adder::Wide>(sum.raw[i]);
      }
    });
  }
  template <class Adder, int N>
  static constexpr void write(Sum<N>& sum, const typename Adder::Wide (&wide)[Adder::count]) {
    unroll<Adder::count>([&](auto i) {
      const auto word = bits<typename Adder::Store>(wide[i]);
      if constexpr (Adder::pairs) {
        sum.raw[2 * i] = static_cast<std::uint32_t>(word);
        sum.raw[2 * i + 1] = static_cast<std::uint32_t>(word >> 32);
      } else {
        sum.raw[i] = word;
      }
    });
  }

  template <int N>
  __attribute__((noinline)) constexpr void start(Sum<N>& sum, const Words<N>& value) const {
    of_type<ReduceOp::sum, N>([&](auto adder) {
      typename decltype(adder)::Wide wide[decltype(adder)::count];
      adder.start(wide, value);
      write<decltype(adder)>(sum, wide);
    });
  }
  template <int N>
  __attribute__((noinline)) constexpr void add(Sum<N>& sum, const Words<N>& value) const {
    choose<N>([&](auto adder) {
      typename decltype(adder)::Wide wide[decltype(adder)::count];
      read<decltype(adder)>(sum, wide);
      adder.add(wide, value);
      write<decltype(adder)>(sum, wide);
    });
  }
  template <int N>
  __attribute__((noinline)) constexpr Words<N> finish(const Sum<N>& sum, std::int32_t divisor) const {
    Words<N> result;
    of_type<ReduceOp::sum, N>([&](auto adder) {
      typename decltype(adder)::Wide wide[decltype(adder)::count];
      read<decltype(adder)>(sum, wide);
      result = adder.finish(wide, divisor);
    });
    return result;
  }
};

}  // namespace p2plab::device
