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

/// Calls body(0) ... body(N - 1) with constant arguments, so that arrays indexed by them stay in registers.
template <int N, class Body>
constexpr void unroll(Body&& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (body(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// Bytes `begin` to `begin + count` of a value as 32-bit words: sets them from `value`.
template <int N>
constexpr void put(Words<N>& words, int byte, std::uint32_t value) {
  unroll<N>([&](auto k) {
    if (byte / 4 == k) words.w[k] |= value << (byte % 4 * 8);
  });
}

/// The 32-bit word that holds byte `byte`, shifted so that this byte comes lowest.
template <int N>
constexpr std::uint32_t get(const Words<N>& words, int byte) {
  std::uint32_t value = 0;
  unroll<N>([&](auto k) {
    if (byte / 4 == k) value = words.w[k] >> (byte % 4 * 8);
  });
  return value;
}

/// The first `bytes` (at most N * 4) from any address, in the largest units that address and count allow; the rest of the words is zero.
/// A call of its own: it is rare, and would be repeated many times over in unrolled code.
template <class Machine, int N>
__attribute__((noinline)) constexpr Words<N> load_odd(std::uint64_t address, int bytes) {
  Words<N> words;
  const auto odd = address | static_cast<std::uint64_t>(bytes);
  if (odd % 4 == 0) {
    for (int i = 0; i < bytes; i += 4) put(words, i, Machine::load_32(address + static_cast<std::uint64_t>(i)));
  } else if (odd % 2 == 0) {
    for (int i = 0; i < bytes; i += 2) put(words, i, Machine::load_16(address + static_cast<std::uint64_t>(i)));
  } else {
    for (int i = 0; i < bytes; ++i) put(words, i, Machine::load_8(address + static_cast<std::uint64_t>(i)));
  }
  return words;
}

/// The first `bytes` (at most N * 4) of `words` to any address.
template <class Machine, int N>
__attribute__((noinline)) constexpr void store_odd(std::uint64_t address, Words<N> words, int bytes) {
  const auto odd = address | static_cast<std::uint64_t>(bytes);
  if (odd % 4 == 0) {
    for (int i = 0; i < bytes; i += 4) Machine::store_32(address + static_cast<std::uint64_t>(i), get(words, i));
  } else if (odd % 2 == 0) {
    for (int i = 0; i < bytes; i += 2) Machine::store_16(address + static_cast<std::uint64_t>(i), get(words, i));
  } else {
    for (int i = 0; i < bytes; ++i) Machine::store_8(address + static_cast<std::uint64_t>(i), get(words, i));
  }
}

/// Up to N * 4 of the `count` bytes at any address, as one vector where that is possible.
template <class Machine, int N>
constexpr Words<N> load_some(std::uint64_t address, std::int64_t count) {
  if (count >= N * 4 && address % (N * 4) == 0) return Machine::template load<N>(address);
  return load_odd<Machine, N>(address, count < N * 4 ? static_cast<int>(count) : N * 4);
}
template <class Machine, int N>
constexpr void store_some(std::uint64_t address, const Words<N>& words, std::int64_t count) {
  if (count >= N * 4 && address % (N * 4) == 0) return Machine::template store<N>(address, words);
  store_odd<Machine, N>(address, words, count < N * 4 ? static_cast<int>(count) : N * 4);
}

}  // namespace p2plab::device
