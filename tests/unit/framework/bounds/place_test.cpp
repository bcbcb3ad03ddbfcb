// SPDX-License-Identifier: Apache-2.0
// Choice of GPUs on machines whose best subsets are known.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/presets.h"
#include "support/machines.h"

namespace p2plab::place_test {
namespace {

std::set<int> numbers(const Placement& placement) {
  std::set<int> all;
  for (const auto rank : placement.gpus) all.insert(rank.value);
  return all;
}

std::int64_t subsets(const std::vector<Placement>& placements) {
  return std::accumulate(placements.begin(), placements.end(), std::int64_t{0}, [](std::int64_t sum, const Placement& p) { return sum + p.alike; });
}

// In nvidia-smi's order the quads are 0 to 3 and 4 to 7; 14 of the 70 subsets of four are not joined by NVLink.
TEST(Place, FourOfADgx1V100AreAQuadAndFourteenSubsetsAreNotJoined) {
  const auto placements = place(*make_preset("dgx-v100", {}), 4);
  ASSERT_TRUE(placements) << describe(placements.error());
  EXPECT_EQ(subsets(*placements), 70);
  EXPECT_DOUBLE_EQ(placements->front().busbw_gbps, 4.5 * 25);
  EXPECT_EQ(placements->front().alike, 2);
  EXPECT_TRUE((numbers(placements->front()) == std::set<int>{0, 1, 2, 3} || numbers(placements->front()) == std::set<int>{4, 5, 6, 7}));
  std::int64_t apart = 0;
  for (const auto& placement : *placements) apart += placement.busbw_gbps == 0 ? placement.alike : 0;
  EXPECT_EQ(apart, 14);
}

TEST(Place, AllSubsetsOfASwitchAreAlike) {
  const auto placements = place(test::one_switch(7), 3);
  ASSERT_TRUE(placements);
  ASSERT_EQ(placements->size(), 1U);
  EXPECT_EQ(placements->front().alike, 35);
  EXPECT_DOUBLE_EQ(placements->front().busbw_gbps, 100);
}

// A ring of six in a shuffled order: neighbours stand side by side in the order that is given.
TEST(Place, TheOrderFollowsTheLinks) {
  const auto machine = test::meshed(6, {{0, 3, 1}, {3, 1, 1}, {1, 5, 1}, {5, 2, 1}, {2, 4, 1}, {4, 0, 1}});
  const auto placements = place(machine, 6);
  ASSERT_TRUE(placements);
  const auto& gpus = placements->front().gpus;
  const std::vector<int> ring{0, 3, 1, 5, 2, 4};
  for (std::size_t i = 0; i < 6; ++i) {
    const auto at = std::ranges::find(ring, gpus[i].value) - ring.begin();
    const auto next = std::ranges::find(ring, gpus[(i + 1) % 6].value) - ring.begin();
    EXPECT_TRUE((at + 1) % 6 == next || (next + 1) % 6 == at) << i;
  }
}

TEST(Place, OneGpuNeedsNoLink) {
  const auto placements = place(test::line(3), 1);
  ASSERT_TRUE(placements);
  EXPECT_EQ(subsets(*placements), 3);
}

TEST(Place, RefusesWhatCannotBeChosen) {
  const auto machine = test::one_switch(4);
  for (const int count : {-1, 0, 5}) EXPECT_EQ(place(machine, count).error().code, ErrorCode::invalid_input) << count;
  EXPECT_EQ(place(machine, 2, CollectiveKind::broadcast).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(place(*make_preset("ring", {{"gpus", "64"}}), 32).error().code, ErrorCode::unsupported);
}

// 4 of 12 GPUs in a line: many kinds; who looks decides after each of them whether to go on.
TEST(Place, EndsEarlyWithWhatWasWeighed) {
  const auto machine = *make_preset("mesh", {{"dims", "12"}});
  int told = 0;
  const auto some = place(machine, 4, CollectiveKind::all_reduce, [&](const Placement&, std::size_t) { return ++told == 5; });
  ASSERT_TRUE(some) << describe(some.error());
  EXPECT_EQ(some->size(), 5U);
  std::size_t left = 1;
  const auto all = place(machine, 4, CollectiveKind::all_reduce, [&](const Placement&, std::size_t kinds) {
    left = kinds;
    return false;
  });
  ASSERT_TRUE(all);
  EXPECT_GT(all->size(), 5U);
  EXPECT_EQ(left, 0U);
  EXPECT_TRUE(std::ranges::is_sorted(*some, taken_before));
}

}  // namespace
}  // namespace p2plab::place_test
