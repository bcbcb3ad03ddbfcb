// SPDX-License-Identifier: Apache-2.0
// Test data that any rank, element and type can be given without storing it, and its exact reduction. Shared by GPU and CPU.
#pragma once

#include <cstdint>

#include "p2plab/schedule/payload.h"

namespace p2plab::device {

/// A mixed 64-bit number (Vigna's splitmix64 finisher).
constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// The input of `rank` at `element` of `block`: a small whole number, so that every order of adding up to 16 of them is exact in every type.
/// Products get 1 or 2.
constexpr std::int64_t datum(std::uint64_t seed, std::int32_t rank, std::int32_t block, std::int64_t element, ReduceOp op) {
  const auto key =
      mixed(seed + (static_cast<std::uint64_t>(rank) << 40) + (static_cast<std::uint64_t>(block) << 48)) + static_cast<std::uint64_t>(element);
  const auto random = mixed(key * 0x9e3779b97f4a7c15U) >> 40;
  return op == ReduceOp::product ? 1 + static_cast<std::int64_t>(random % 2) : static_cast<std::int64_t>(random % 8);
}

/// The reduction over the ranks whose bits are set in `senders`, as a real number (average: before dividing).
constexpr std::int64_t expected_total(std::uint64_t seed, std::uint64_t senders, std::int32_t block, std::int64_t element, ReduceOp op) {
  std::int64_t total = 0;
  bool first = true;
  for (std::int32_t rank = 0; rank < 64; ++rank) {
    if ((senders >> rank & 1) == 0) continue;
    const auto value = datum(seed, rank, block, element, op);
    if (first) {
      total = value;
    } else if (op == ReduceOp::product) {
      total *= value;
    } else if (op == ReduceOp::min) {
      total = value < total ? value : total;
    } else if (op == ReduceOp::max) {
      total = value > total ? value : total;
    } else {
      total += value;
    }
    first = false;
  }
  return total;
}

/// Part of a buffer: `count` elements of one block from byte address `address`.
struct BlockSpan {
  std::uint64_t address = 0;
  std::int64_t count = 0;
  std::uint64_t senders = 0;  // bits of contributing ranks
  std::int32_t block = 0;
  std::int32_t rank = 0;  // whose buffer it is
};

/// What a check finds, in device memory.
struct CheckResult {
  unsigned long long wrong = 0;
  unsigned long long first = ~0ULL;  // lowest wrong element of the span
  double worst = 0;                  // largest difference
};

}  // namespace p2plab::device
