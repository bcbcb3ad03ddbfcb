// SPDX-License-Identifier: Apache-2.0
// The 8 or 16 bytes that a thread moves at a time, and loops that are unrolled for certain.
#pragma once

#include <cstdint>
#include <utility>

namespace p2plab::device {

/// N 32-bit words, moved as one vector.
template <int N>
struct alignas(N * 4) Words {
  std::uint32_t w[N] = {};
};

/// Nanoseconds as 32 bits hold them, at most.
constexpr std::uint32_t short_time(std::uint64_t ns) { return ns >> 32 != 0 ? 0xffffffff : static_cast<std::uint32_t>(ns); }

/// Calls body(0) ... body(N - 1) with constant arguments, so that arrays indexed by them stay in registers.
template <int N, class Body>
constexpr void unroll(Body&& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (body(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// Four words from byte `shift` on, which is less than 16, of two neighbouring vectors.
constexpr Words<4> straddle(const Words<4>& low, const Words<4>& high, std::uint32_t shift) {
  std::uint32_t w[8];
  unroll<4>([&](auto k) {
    w[k] = low.w[k];
    w[4 + k] = high.w[k];
  });
  unroll<6>([&](auto k) { w[k] = (shift & 8) != 0 ? w[k + 2] : w[k]; });
  unroll<5>([&](auto k) { w[k] = (shift & 4) != 0 ? w[k + 1] : w[k]; });
  Words<4> result;
  unroll<4>([&](auto k) { result.w[k] = static_cast<std::uint32_t>((std::uint64_t{w[k + 1]} << 32 | w[k]) >> (shift % 4 * 8)); });
  return result;
}

/// The four bytes from `byte` on; zero what is behind the words.
template <int N>
constexpr std::uint32_t get(const Words<N>& words, int byte) {
  std::uint64_t wide = 0;
  unroll<N>([&](auto k) {
    if (byte / 4 == k) wide |= words.w[k];
    if (byte / 4 + 1 == k) wide |= std::uint64_t{words.w[k]} << 32;
  });
  return static_cast<std::uint32_t>(wide >> (byte % 4 * 8));
}

/// The first `bytes` (at most N * 4) from any address, one by one, all loads in flight together; the rest of the words is zero.
/// A call of its own: it is rare, and would be repeated many times over in unrolled code.
template <class Machine, int N>
__attribute__((noinline)) constexpr Words<N> load_odd(std::uint64_t address, int bytes) {
  std::uint32_t loaded[N * 4] = {};
  unroll<N * 4>([&](auto i) {
    if (i < bytes) loaded[i] = Machine::load_8(address + static_cast<std::uint64_t>(i));
  });
  Words<N> words;
  unroll<N>([&](auto k) { words.w[k] = loaded[4 * k] | loaded[4 * k + 1] << 8 | loaded[4 * k + 2] << 16 | loaded[4 * k + 3] << 24; });
  return words;
}

/// The largest of 1, 2, 4 and 8 bytes that lie at an address and are not more than `bytes`.
constexpr int unit_at(std::uint64_t address, int bytes) {
  int unit = 1;
  while (unit < 8 && address % (2 * static_cast<std::uint64_t>(unit)) == 0 && 2 * unit <= bytes) unit *= 2;
  return unit;
}

/// The first `bytes` (at most N * 4) of `words` to any address.
template <class Machine, int N>
__attribute__((noinline)) constexpr void store_odd(std::uint64_t address, Words<N> words, int bytes) {
  for (int i = 0; i < bytes;) {
    const auto to = address + static_cast<std::uint64_t>(i);
    const auto unit = unit_at(to, bytes - i);
    const auto value = get(words, i);
    if (unit == 8) Machine::template store<2>(to, {{value, get(words, i + 4)}});
    if (unit == 4) Machine::store_32(to, value);
    if (unit == 2) Machine::store_16(to, value);
    if (unit == 1) Machine::store_8(to, value);
    i += unit;
  }
}

constexpr std::uint64_t wide(const Words<2>& words) { return std::uint64_t{words.w[1]} << 32 | words.w[0]; }

/// `bytes` (8, or 16 for four words) from any address, by vectors of eight bytes: up to seven bytes before and behind them may be loaded too. What is
/// done depends on the address modulo 8 only, so threads a multiple of that apart stay together.
template <class Machine, int N>
constexpr Words<N> load_split(std::uint64_t address, int bytes) {
  const auto shift = static_cast<std::uint32_t>(address % 8 * 8);  // in bits
  const auto from = address - address % 8;
  const bool both = N == 4 && bytes > 8;
  auto low = wide(Machine::template load<2>(from));
  auto high = both || shift != 0 ? wide(Machine::template load<2>(from + 8)) : 0;
  if (shift != 0) {
    const auto last = both ? wide(Machine::template load<2>(from + 16)) : 0;
    low = low >> shift | high << (64 - shift);
    high = high >> shift | last << (64 - shift);
  }
  Words<N> words;
  words.w[0] = static_cast<std::uint32_t>(low);
  words.w[1] = static_cast<std::uint32_t>(low >> 32);
  if constexpr (N == 4) {
    words.w[2] = both ? static_cast<std::uint32_t>(high) : 0;
    words.w[3] = both ? static_cast<std::uint32_t>(high >> 32) : 0;
  }
  return words;
}

/// Eight bytes to any address: up to the next multiple of eight in rising units, from there in falling ones. As for `load_split`, threads stay
/// together.
template <class Machine>
constexpr void store_eight(std::uint64_t address, const Words<2>& words) {
  const auto odd = address % 8;
  if (odd == 0) return Machine::template store<2>(address, words);
  auto rest = wide(words);
  const auto piece = [&](int bytes) {
    const auto value = static_cast<std::uint32_t>(rest);
    if (bytes == 1) Machine::store_8(address, value);
    if (bytes == 2) Machine::store_16(address, value);
    if (bytes == 4) Machine::store_32(address, value);
    rest >>= bytes * 8;
    address += static_cast<std::uint64_t>(bytes);
  };
  if (address % 2 != 0) piece(1);
  if (address % 4 != 0) piece(2);
  if (address % 8 != 0) piece(4);
  if ((odd & 4) != 0) piece(4);
  if ((odd & 2) != 0) piece(2);
  if ((odd & 1) != 0) piece(1);
}

/// `bytes` (8, or 16 of four words) to any address.
template <class Machine, int N>
constexpr void store_split(std::uint64_t address, const Words<N>& words, int bytes) {
  store_eight<Machine>(address, {{words.w[0], words.w[1]}});
  if constexpr (N == 4) {
    if (bytes > 8) store_eight<Machine>(address + 8, {{words.w[2], words.w[3]}});
  }
}

/// Up to N * 4 of the `count` bytes at any address, as one vector where that is possible; by vectors of eight where enough is behind it and the
/// `before` bytes before it may be loaded.
template <class Machine, int N>
constexpr Words<N> load_some(std::uint64_t address, std::int64_t count, std::int64_t before = 0) {
  if (count >= N * 4 && address % (N * 4) == 0) return Machine::template load<N>(address);
  if (count >= N * 4 + 8 && before >= 8) return load_split<Machine, N>(address, N * 4);
  return load_odd<Machine, N>(address, count < N * 4 ? static_cast<int>(count) : N * 4);
}
template <class Machine, int N>
constexpr void store_some(std::uint64_t address, const Words<N>& words, std::int64_t count) {
  if (count >= N * 4 && address % (N * 4) == 0) return Machine::template store<N>(address, words);
  if (count >= N * 4) return store_split<Machine, N>(address, words, N * 4);
  store_odd<Machine, N>(address, words, static_cast<int>(count));
}

}  // namespace p2plab::device
