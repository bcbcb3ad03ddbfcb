// SPDX-License-Identifier: Apache-2.0
#include "check/grid.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace p2plab::checking::grid_test {
namespace {

TEST(CommonSize, DividesAllThatWasTold) {
  CommonSize common;
  for (const std::int64_t bytes : {0, 4096, 65536, 4096 * 3}) common.add(bytes);
  EXPECT_EQ(common.bytes(), 4096);
  common.add((std::int64_t{1} << 49) + 4096 * 5 + 12);
  EXPECT_EQ(common.bytes(), 4);
  CommonSize large;
  const std::int64_t prime = 1'000'003;
  for (std::int64_t times = 1; times < 1'000'000'000; times = times * 3 + 1) large.add(prime * times);
  EXPECT_EQ(large.bytes(), prime);
}

// Three buffers cut at random: each cut has as number how many lie before it, and all are met in order.
void expect_numbered(const Ruler& ruler, std::int64_t size, std::mt19937_64& random, const std::vector<std::int64_t>& bytes) {
  const std::array<std::int64_t, 3> sizes{size, 0, size};
  auto grid = Grid::of(sizes, ruler, 1 << 20);
  ASSERT_TRUE(grid);
  std::array<std::set<std::int64_t>, 3> cuts;
  for (const std::int32_t buffer : {0, 2}) {
    for (const auto byte : bytes) {
      if (random() % 3 == 0) continue;
      grid->cut(buffer, ruler.number(byte));
      cuts[static_cast<std::size_t>(buffer)].insert(byte);
    }
  }
  EXPECT_EQ(grid->number(), cuts[0].size() + cuts[2].size());
  std::uint32_t number = 0;
  for (const std::int32_t buffer : {0, 1, 2}) {
    std::vector<std::int64_t> met;
    grid->each_cut(buffer, [&](std::int64_t at) { met.push_back(at); });
    const auto& wanted = cuts[static_cast<std::size_t>(buffer)];
    EXPECT_TRUE(std::ranges::equal(met, wanted));
    for (const auto at : wanted) EXPECT_EQ(grid->cuts_before(buffer, ruler.number(at)), number++);
  }
}

TEST(Grid, NumbersCutsInTheirOrder) {
  std::mt19937_64 random(1);
  for (const std::int64_t cell : {1, 12, 4096, 1'000'003}) {
    std::vector<std::int64_t> bytes;
    for (std::int64_t n = 0; n <= 300; ++n) bytes.push_back(n * cell);
    expect_numbered(Ruler::even(cell), 300 * cell, random, bytes);
  }
  std::set<std::int64_t> marks{0};
  while (marks.size() < 300) marks.insert(static_cast<std::int64_t>(random() >> 14));
  const std::vector<std::int64_t> bytes(marks.begin(), marks.end());
  expect_numbered(Ruler::at({bytes.rbegin(), bytes.rend()}), bytes.back(), random, bytes);
}

TEST(Grid, IsNotMadeWhereItWouldHaveTooManyPlaces) {
  const std::array<std::int64_t, 2> sizes{std::int64_t{1} << 50, 100};
  EXPECT_FALSE(Grid::of(sizes, Ruler::even(4), 1 << 20));
  EXPECT_TRUE(Grid::of(sizes, Ruler::even(std::int64_t{1} << 40), 1 << 20));
}

}  // namespace
}  // namespace p2plab::checking::grid_test
