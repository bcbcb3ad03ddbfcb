// SPDX-License-Identifier: Apache-2.0
// The packing finds the optimum of small problems known by hand, and cycles are the cheapest ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "common/column_generation.h"
#include "ring/cycles.h"
#include "ring/search.h"

namespace p2plab::packing_test {
namespace {

// Offers the cheapest of a fixed list of columns.
ColumnSource from_list(std::vector<Column> columns) {
  return [columns = std::move(columns)](std::span<const double> prices) -> std::optional<Column> {
    const auto cost = [&](const Column& column) {
      return std::accumulate(column.uses.begin(), column.uses.end(), 0.0,
                             [&](double sum, const Column::Use& use) { return sum + use.amount * prices[use.resource]; });
    };
    return *std::ranges::min_element(columns, {}, cost);
  };
}

double total(const std::vector<PackedColumn>& packed) {
  return std::accumulate(packed.begin(), packed.end(), 0.0, [](double sum, const PackedColumn& column) { return sum + column.amount; });
}

TEST(Packing, ThreeWaysOverEachTwoOfThreeResourcesAreHalvesEach) {
  const auto packed = pack(std::array{1.0, 1.0, 1.0}, from_list({{0, {{0, 1}, {1, 1}}}, {1, {{1, 1}, {2, 1}}}, {2, {{0, 1}, {2, 1}}}}));
  ASSERT_EQ(packed.size(), 3U);
  for (const auto& column : packed) EXPECT_NEAR(column.amount, 0.5, 1e-12);
}

TEST(Packing, GivesUpAGreedyWayForTwoBetterOnes) {
  // Column 0 uses both resources; columns 1 and 2 one each.
  const auto packed = pack(std::array{3.0, 5.0}, from_list({{0, {{0, 1}, {1, 1}}}, {1, {{0, 1}}}, {2, {{1, 1}}}}));
  EXPECT_NEAR(total(packed), 8, 1e-12);
}

TEST(Packing, KeepsUnits) {
  const auto packed = pack(std::array{25e9}, from_list({{7, {{0, 2}}}}));
  ASSERT_EQ(packed.size(), 1U);
  EXPECT_EQ(packed[0].id, 7);
  EXPECT_NEAR(packed[0].amount, 12.5e9, 1);
}

TEST(Packing, IsEmptyWithoutWays) {
  EXPECT_TRUE(pack(std::array{1.0}, [](std::span<const double>) { return std::optional<Column>{}; }).empty());
  EXPECT_TRUE(pack({}, [](std::span<const double>) { return std::optional<Column>{}; }).empty());
}

TEST(Cycles, TheCheapestOneIsFoundAmongAllOrders) {
  // Going to the next point costs 1, everything else 10; the numbers are permuted by steps of 3 around 7.
  CostMatrix costs(7);
  for (int a = 0; a < 7; ++a) {
    for (int b = 0; b < 7; ++b) {
      if (a != b) costs.at(a, b) = b == (a + 3) % 7 ? 1 : 10;
    }
  }
  const auto cycle = cheapest_cycle(costs);
  ASSERT_TRUE(cycle);
  EXPECT_EQ(*cycle, (std::vector<int>{0, 3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(cycle_cost(costs, *cycle), 7);
}

TEST(Cycles, NoneIsFoundWhereAPointHasOneNeighbour) {
  CostMatrix costs(4);
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      if (a != b) costs.at(a, b) = 1;
    }
  }
  costs.at(0, 3) = costs.at(3, 0) = 1;
  EXPECT_FALSE(cheapest_cycle(costs));
}

TEST(Cycles, ALargeRingIsFoundThoughOnlyOneOrderIsAllowed) {
  CostMatrix costs(40);
  for (int a = 0; a < 40; ++a) costs.at(a, (a + 7) % 40) = 2;
  const auto cycle = cheapest_cycle(costs);
  ASSERT_TRUE(cycle);
  EXPECT_EQ(cycle_cost(costs, *cycle), 80);
}

TEST(Weights, AreExactWhereACommonDenominatorExists) {
  EXPECT_EQ(integer_weights(std::array{75.0, 50.0, 25.0}), (std::vector<std::int64_t>{3, 2, 1}));
  EXPECT_EQ(integer_weights(std::array{12.5, 12.5}), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(integer_weights(std::array{1.0 / 7, 6.0 / 7}), (std::vector<std::int64_t>{1, 6}));
}

TEST(Weights, AreRoundedToAThousandthOtherwise) { EXPECT_EQ(integer_weights(std::array{3.14159265, 1.0}), (std::vector<std::int64_t>{759, 241})); }

}  // namespace
}  // namespace p2plab::packing_test
