// SPDX-License-Identifier: Apache-2.0
// Arithmetic on slices agrees with looking at each byte.
#include "check/slices.h"

#include <random>

#include <gtest/gtest.h>

namespace p2plab::checking::slices_test {
namespace {

// The need by looking at every byte.
Need looked_up(const SlicedRange& first, const SlicedRange& second, std::int64_t begin, std::int64_t end, std::int64_t parts) {
  Need need;
  const auto slice = [](const SlicedRange& range, std::int64_t byte) { return (byte - range.begin) / range.slice; };
  for (auto byte = begin; byte < end; ++byte) {
    const auto a = slice(first, byte);
    const auto b = slice(second, byte);
    need.slices = std::max(need.slices, a + 1);
    need.apart = need.apart || (a - b) % parts != 0;
    need.falling = need.falling || a > b;
  }
  need.blocks = std::min(parts, need.slices);
  return need;
}

TEST(Slices, NeedsAreThoseOfEveryByteOrMore) {
  std::mt19937_64 random(7);
  const auto between = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most - least + 1));
  };
  int apart = 0;
  int falling = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto range = [&] {
      const SlicedRange made{between(0, 4) * 4, between(1, 40), between(1, 10)};
      return SlicedRange{made.begin, made.bytes, std::min(made.bytes, made.slice)};
    };
    const auto a = range();
    auto b = range();
    if (between(0, 1) == 0) b.slice = std::min(a.slice, b.bytes);
    const auto begin = std::max(a.begin, b.begin);
    const auto end = std::min(a.begin + a.bytes, b.begin + b.bytes);
    if (begin >= end) continue;
    const auto parts = between(1, 3);
    const auto found = need_between(a, b, begin, end, parts);
    const auto right = looked_up(a, b, begin, end, parts);
    EXPECT_EQ(found.slices, right.slices);
    EXPECT_EQ(found.blocks, right.blocks);
    EXPECT_TRUE(found.apart || !right.apart);
    EXPECT_TRUE(found.falling || !right.falling || found.apart);
    apart += found.apart && !right.apart ? 1 : 0;
    falling += found.falling && !right.falling ? 1 : 0;
  }
  // Where slices of different sizes meet, more may be asked for than is needed: rarely.
  EXPECT_LT(apart, 200);
  EXPECT_LT(falling, 2'000);
}

}  // namespace
}  // namespace p2plab::checking::slices_test
