// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/program/lower.h"
#include "p2plab/schedule/verify.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::packet_stages_test {
namespace {

using enum CollectiveKind;

std::optional<PacketProgram> packets_of_plan(int ranks, const std::string& planner, CollectiveKind kind) {
  const auto machine = test::one_switch(ranks);
  const auto plan = test::plan_on(machine, planner, kind);
  if (!plan) return std::nullopt;
  const PeerAccess peer_access(machine);
  const auto program = *lower(plan->schedule, *verify(machine, plan->schedule), {.elements = 4096, .type = DataType::float32}, {}, peer_access);
  return make_packet_program(program, peer_access, PacketWire::lamport);
}

int last_stage(const PacketProgram& program) {
  int last = 0;
  for (const auto& rank : packet_stages(program)) {
    for (const auto stage : rank) last = std::max<int>(last, stage);
  }
  return last;
}

TEST(PacketStages, CountTheMessagesThatFollowEachOther) {
  for (const int ranks : {2, 3, 5, 8}) {
    EXPECT_EQ(last_stage(*packets_of_plan(ranks, "one_shot", all_reduce)), 1) << ranks;
    EXPECT_EQ(last_stage(*packets_of_plan(ranks, "two_shot", all_reduce)), 2) << ranks;
    EXPECT_EQ(last_stage(*packets_of_plan(ranks, "ring", all_reduce)), 2 * (ranks - 1)) << ranks;
    EXPECT_EQ(last_stage(*packets_of_plan(ranks, "pairwise", all_to_all)), 1) << ranks;
  }
}

TEST(PacketStages, AreNoneWhereTheyWouldBeMoreThanAByteCounts) {
  EXPECT_EQ(last_stage(*packets_of_plan(128, "ring", all_reduce)), 254);
  EXPECT_TRUE(packet_stages(*packets_of_plan(130, "ring", all_reduce)).empty());
}

// What a rank waits for in a stage was sent in an earlier one, by whoever sent it: so rounds of packets end whatever the order of ranks.
void expect_sent_before(const PacketProgram& program) {
  const auto stages = packet_stages(program);
  ASSERT_EQ(stages.size(), program.ranks.size());
  std::vector<int> sent(program.messages.size(), -1);
  const auto each = [&](auto&& body) {
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
      for (std::size_t i = 0; i < program.ranks[r].size(); ++i) body(program.ranks[r], stages[r], i);
    }
  };
  each([&](const auto& items, const auto& stage, std::size_t i) {
    for (const auto& to : items[i].destinations) {
      if (is_landing(to)) sent[static_cast<std::size_t>(to.message)] = stage[i];
    }
  });
  each([&](const auto& items, const auto& stage, std::size_t i) {
    for (const auto& from : items[i].sources) {
      if (is_landing(from)) {
        EXPECT_LT(sent[static_cast<std::size_t>(from.message)], stage[i]);
      }
    }
    if (i == 0) return;
    EXPECT_GE(stage[i], stage[i - 1]);
    if (items[i].joins) {
      EXPECT_EQ(stage[i], stage[i - 1]);
    }
  });
}

TEST(PacketStages, HaveEverythingSentBeforeTheStageThatWaitsForIt) {
  int programs = 0;
  for (const int ranks : {1, 2, 3, 4, 6, 7}) {
    for (const auto* planner : {"one_shot", "two_shot", "ring", "tree", "pairwise", "forest"}) {
      for (const auto kind : {all_reduce, all_gather, reduce_scatter, broadcast, reduce, all_to_all, gather, scatter}) {
        const auto program = packets_of_plan(ranks, planner, kind);
        if (!program) continue;
        SCOPED_TRACE(fmt::format("{} of {} by {}", to_string(kind), ranks, planner));
        expect_sent_before(*program);
        ++programs;
      }
    }
  }
  EXPECT_GT(programs, 100);
}

}  // namespace
}  // namespace p2plab::packet_stages_test
