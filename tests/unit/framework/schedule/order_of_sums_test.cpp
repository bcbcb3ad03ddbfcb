// SPDX-License-Identifier: Apache-2.0
// One order of sums: which schedules have it, and that a promise is compared with what the steps do.
#include <gtest/gtest.h>

#include "p2plab/schedule/order_of_sums.h"

namespace p2plab::order_of_sums_test {
namespace {

Schedule all_reduce(int n, const std::vector<std::vector<int>>& orders, int chunks = 1) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, n), n);
  for (int c = 0; c < chunks; ++c) builder.add_chunk({});
  for (int c = 0; c < chunks; ++c) {
    for (int r = 0; r < n; ++r) {
      std::vector<Location> sources;
      for (const int s : orders[static_cast<std::size_t>(c * n + r) % orders.size()]) sources.push_back(input(Rank{s}, ChunkId{c}));
      const std::array to{output(Rank{r}, ChunkId{c})};
      builder.add_step(Rank{r}, sources, to);
    }
  }
  return *std::move(builder).build();
}

TEST(OrderOfSums, IsTheOneInWhichAllElementsAreAdded) {
  EXPECT_EQ(*order_of_sums(all_reduce(3, {{0, 1, 2}}, 2)), "0+1+2");
  EXPECT_EQ(*order_of_sums(all_reduce(3, {{2, 0, 1}})), "2+0+1");
}

TEST(OrderOfSums, IsNoneWhereRanksOrPlacesDiffer) {
  const auto by_rank = order_of_sums(all_reduce(3, {{0, 1, 2}, {0, 1, 2}, {1, 0, 2}}));
  ASSERT_FALSE(by_rank);
  EXPECT_EQ(by_rank.error().code, ErrorCode::unsupported);
  EXPECT_EQ(by_rank.error().notes.front(), "chunk 0 at rank 0 as 0+1+2, chunk 0 at rank 2 as 1+0+2");
  const auto by_place = order_of_sums(all_reduce(2, {{0, 1}, {0, 1}, {1, 0}, {1, 0}}, 2));
  ASSERT_FALSE(by_place);
  EXPECT_EQ(by_place.error().notes.front(), "chunk 0 at rank 0 as 0+1, chunk 1 at rank 0 as 1+0");
  auto broadcast = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  broadcast.add_chunk({});
  EXPECT_EQ(order_of_sums(*std::move(broadcast).build()).error().message, "broadcast adds nothing, so there is no order of sums");
}

// Rank 0 and 1 first, rounded to the type, then rank 2: other bits than all at once.
TEST(OrderOfSums, TellsRoundingsInBetween) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, 3), 3);
  builder.add_chunk({});
  const auto in = [](int r) { return input(Rank{r}, ChunkId{0}); };
  builder.add_step(Rank{0}, std::array{in(0), in(1)}, std::array{scratch(Rank{0}, 0)});
  builder.copy(Rank{0}, scratch(Rank{0}, 0), scratch(Rank{1}, 0));
  builder.add_step(Rank{1}, std::array{scratch(Rank{1}, 0), in(2)},
                   std::array{output(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}), output(Rank{2}, ChunkId{0})});
  EXPECT_EQ(*order_of_sums(*std::move(builder).build()), "(0+1)+2");
}

TEST(OrderOfSums, ThatIsPromisedIsComparedWithTheSteps) {
  const auto schedule = all_reduce(3, {{0, 1, 2}});
  EXPECT_TRUE(keeps_order(schedule, false, ""));
  EXPECT_TRUE(keeps_order(schedule, false, members_in_order(schedule.collective())));
  const auto other = keeps_order(schedule, false, "(0+1)+2");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(other.error().message, "the plan promises to add in the order (0+1)+2; it adds in the order 0+1+2");
  EXPECT_FALSE(keeps_order(all_reduce(3, {{0, 1, 2}, {1, 0, 2}, {0, 1, 2}}), false, "0+1+2"));
}

}  // namespace
}  // namespace p2plab::order_of_sums_test
