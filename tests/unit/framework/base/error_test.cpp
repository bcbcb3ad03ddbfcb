// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/error.h"

#include <gtest/gtest.h>

namespace p2plab::error_test {

namespace {

TEST(NearestName, ANameCutShortIsTheOneThatContinuesIt) {
  EXPECT_EQ(nearest_name("--alg", {"--all", "--algorithm", "--out"}), "--algorithm");
  EXPECT_EQ(nearest_name("halv", {"hierarchical", "halving_doubling"}), "halving_doubling");
}

TEST(NearestName, TwoThatContinueItAreWeighedByDistance) {
  EXPECT_EQ(nearest_name("one", {"one_shot_to_all", "ones"}), "ones");
  EXPECT_EQ(nearest_name("two_shot_", {"one_shot", "two_shot"}), "two_shot");
}

TEST(NearestName, TwoLettersThatAreSwappedAreOneMistake) {
  EXPECT_EQ(nearest_name("nci0", {"net0", "nic0"}), "nic0");
  EXPECT_EQ(nearest_name("ab", {"a", "xyzba", "ba"}), "a");  // both one mistake: the first
  EXPECT_EQ(nearest_name("rign", {"rain", "ring"}), "ring");
}

TEST(NearestName, NothingIsNearWhatIsFarFromAll) {
  EXPECT_EQ(nearest_name("quux", {"ring", "forest"}), "");
  EXPECT_EQ(nearest_name("", {"ring"}), "");
}

}  // namespace

}  // namespace p2plab::error_test
