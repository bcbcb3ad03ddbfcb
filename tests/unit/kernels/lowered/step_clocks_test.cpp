// SPDX-License-Identifier: Apache-2.0
// Notes of ranks whose clocks differ, set to one: by hand, and of real programs on CPU threads.
#include "lowered/step_clocks.h"

#include <gtest/gtest.h>

#include "device/arithmetic.cuh"
#include "lowered/noted_items.h"
#include "support/emulation/emulation.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::step_clocks_test {
namespace {

struct At {
  std::uint32_t serial = 0;
  std::uint32_t name = 0;
  std::uint32_t item = 0;
  std::uint64_t begun = 0;
  std::uint32_t waited = 0;
  std::uint32_t time = 0;
};
args::StepEntry note(const At& at) {
  const auto ready = at.begun + at.waited;
  const auto ended = at.begun + at.time;
  return {.begun_low = static_cast<std::uint32_t>(at.begun),
          .begun_high = static_cast<std::uint32_t>(at.begun >> 32),
          .place = at.item << args::noted_item_shift,
          .serial = at.serial,
          .ready = static_cast<std::uint32_t>(ready),
          .ended = static_cast<std::uint32_t>(ended),
          .name = at.name,
          .again = (at.serial & 0xffff) | static_cast<std::uint32_t>(ready >> 32) << 16 | static_cast<std::uint32_t>(ended >> 32) << 24};
}

const NotedItems send_and_add{.blocks_per_lane = 0, .lanes = {{{0, 1}, {2}}}};

// Each sends with item 0 and receives with item 1. Both take 1000 ns, data 300; rank 1's clock is 50,000 ns ahead.
std::vector<RankNotes> two_ranks(std::uint32_t calls) {
  constexpr std::uint64_t ahead = 50'000;
  std::vector<RankNotes> ranks{{{}, send_and_add, 0}, {{}, send_and_add, 1}};
  for (std::uint32_t c = 0; c < calls; ++c) {
    const std::uint64_t begun = 1'000'000 + 2000 * c;
    const std::uint32_t late = c % 2 == 0 ? 0 : 200;  // of rank 1, every other call
    ranks[0].notes.push_back(note({2 * c + 1, c, 0, begun, 0, 100}));
    ranks[0].notes.push_back(note({2 * c + 2, c, 1, begun + 100, 200 + late, 300 + late}));
    ranks[1].notes.push_back(note({2 * c + 1, c, 0, begun + ahead + late, 0, 100}));
    ranks[1].notes.push_back(note({2 * c + 2, c, 1, begun + ahead + late + 100, late == 0 ? 200U : 10U, 300}));
  }
  return ranks;
}
const std::vector<Arrival> both_ways{{{0, 0, 0}, {1, 0, 1}}, {{1, 0, 0}, {0, 0, 1}}};

TEST(StepClocks, AreSetSoThatNothingIsThereBeforeItIsSentInEitherDirection) {
  const auto call = middle_call(two_ranks(8), both_ways);
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_NEAR(call->apart.count(), 300e-9, 1e-12);
  // A call in which nobody was late: items 0 are steps 0 and 1, item 1 is step 2.
  ASSERT_EQ(call->steps.size(), 6U);
  for (const auto& step : call->steps) {
    EXPECT_NEAR(step.begun.count(), step.step == 2 ? 100e-9 : 0, 55e-9) << step.rank << " " << step.step;
    EXPECT_GE(step.ready, step.begun);
    EXPECT_GE(step.ended, step.ready);
  }
}

TEST(StepClocks, AreOneOnOneGpuWhateverIsSent) {
  auto ranks = two_ranks(8);
  ranks[1].clock = 0;
  const auto call = middle_call(ranks, both_ways);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->apart.count(), 0);
  EXPECT_NEAR(call->steps.back().begun.count(), 50'100e-9, 1e-12);
}

TEST(StepClocks, NeedACallThatAllRanksHaveNoted) {
  auto ranks = two_ranks(3);
  ranks[1].notes.clear();
  EXPECT_FALSE(middle_call(ranks, both_ways));
}

// A graph's names begin anew with each replay: the last one counts.
TEST(StepClocks, TakeTheLastReplay) {
  auto ranks = two_ranks(5);
  for (auto& rank : ranks) {
    const auto first = rank.notes;
    for (auto again : first) {
      again.serial += 10;
      again.again += 10;
      again.ended += 5000;
      rank.notes.push_back(again);
    }
  }
  const auto call = middle_call(ranks, both_ways);
  ASSERT_TRUE(call);
  EXPECT_GE((call->steps.back().ended - call->steps.back().begun).count(), 5000e-9);
}

// Of packets and of slices: whoever waits for another rank has an arrival from it.
TEST(StepClocks, KnowWhoSendsToWhom) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "ring", CollectiveKind::all_reduce);
  test::Emulation emulation(machine, plan, {.elements = 96, .type = DataType::float32}, {}, false);
  emulation.prepare_packets<device::LlWire, device::Fixed<device::Float, ReduceOp::sum>>(1);
  emulation.prepare_slices<device::Fixed<device::Float, ReduceOp::sum>>();
  std::vector<LinkedPackets> packets;
  std::vector<LinkedSlices> slices;
  for (std::size_t r = 0; r < 3; ++r) {
    packets.push_back(emulation.linked_packets(r));
    slices.push_back(emulation.linked_slices(r));
  }
  for (const auto& arrivals : {arrivals_of(packets), arrivals_of(slices)}) {
    EXPECT_GE(arrivals.size(), 3U * 3);  // 2 (n - 1) messages to each, of which slices store the last where it stays
    for (const auto& [from, to] : arrivals) EXPECT_EQ((from.rank + 1) % 3, to.rank);
  }
}

}  // namespace
}  // namespace p2plab::step_clocks_test
