// SPDX-License-Identifier: Apache-2.0
// Who still takes part when GPUs are gone.
#include <gtest/gtest.h>

#include "p2plab/machine/mask.h"
#include "p2plab/schedule/repair.h"
#include "support/machines.h"

namespace p2plab::repair_test {
namespace {

TEST(Repair, MembersKeepTheirNamesAndShares) {
  const auto before = test::one_switch(4);
  const auto now = *apply_mask(before, {.gpus = {"gpu1"}});
  auto collective = make_collective(CollectiveKind::all_gather, 4);
  collective.shares = {1, 2, 3, 4};
  collective.silent = {Rank{1}, Rank{3}};
  const auto left = surviving(collective, before, now);
  ASSERT_TRUE(left) << describe(left.error());
  EXPECT_EQ(left->members, (std::vector<Rank>{Rank{0}, Rank{1}, Rank{2}}));
  EXPECT_EQ(left->shares, (std::vector<std::int64_t>{1, 3, 4}));
  EXPECT_EQ(left->silent, (std::vector<Rank>{Rank{2}}));
}

TEST(Repair, PairsWithALostGpuGo) {
  const auto before = test::one_switch(4);
  const auto now = *apply_mask(before, {.gpus = {"gpu0"}});
  const auto left = surviving(make_collective(CollectiveKind::send_receive, 4), before, now);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->pairs, (std::vector<std::pair<Rank, Rank>>{{Rank{0}, Rank{1}}, {Rank{1}, Rank{2}}}));
}

TEST(Repair, ALostRootIsNamed) {
  const auto before = test::one_switch(3);
  const auto now = *apply_mask(before, {.gpus = {"gpu2"}});
  const auto left = surviving(make_collective(CollectiveKind::broadcast, 3, Rank{2}), before, now);
  ASSERT_FALSE(left);
  EXPECT_NE(left.error().message.find("the root gpu2"), std::string::npos) << left.error().message;
}

}  // namespace
}  // namespace p2plab::repair_test
