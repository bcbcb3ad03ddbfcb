// SPDX-License-Identifier: Apache-2.0
// Rings that a turn carries onto themselves: the folded plan is what the list is.
#include <gtest/gtest.h>

#include <array>
#include <map>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/schedule/analysis.h"
#include "support/folding.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::turned_rings_test {
namespace {

constexpr std::array kinds{CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter};

Result<Plan> ring_on(const Topology& machine, const Collective& collective, std::size_t fold_from, const Parameters& parameters = {}) {
  return test::plan_on(machine, "ring", collective, parameters, {.fold_from = fold_from});
}

int images_on(const std::string& machine, const Parameters& parameters = {}) {
  const auto topology = *resolve_topology(machine);
  return ring_on(topology, make_collective(CollectiveKind::all_reduce, topology.ranks()), 2, parameters)->schedule.folding().images();
}

// A circle turns by one place; along rails two servers make a turn, for rings enter every second one by the same GPU.
TEST(TurnedRings, HaveAsManyImagesAsTheMachineHasTurns) {
  EXPECT_EQ(images_on("star:gpus=12"), 12);
  EXPECT_EQ(images_on("ring:gpus=9"), 9);
  EXPECT_EQ(images_on("hgx-a100:nodes=6,gpus=4"), 3);
  EXPECT_EQ(images_on("hgx-a100:nodes=6,gpus=4", {{"rings", "1"}}), 6);
  EXPECT_EQ(images_on("hgx-a100:nodes=1,gpus=8", {{"rings", "1"}}), 8);
  EXPECT_EQ(images_on("torus:dims=4x4"), 1);  // four rings, each with turns of its own
}

// By rank: what it sends to whom, in this order.
std::map<int, std::string> sends(const Schedule& schedule) {
  std::map<int, std::string> sent;
  StepReader steps(schedule);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = steps(StepId{static_cast<std::int64_t>(i)});
    for (const auto& to : step.destinations)
      sent[static_cast<int>(step.executor.value)] += fmt::format("{} of {}, ", to.rank.value, step.sources.size());
  }
  return sent;
}

TEST(TurnedRings, SendWhatTheListSendsInItsOrder) {
  for (const auto* name : {"star:gpus=9", "ring:gpus=8", "hgx-a100:nodes=4,gpus=3"}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : kinds) {
      SCOPED_TRACE(fmt::format("{} {}", name, to_string(kind)));
      const auto collective = make_collective(kind, machine.ranks());
      const auto folded = *ring_on(machine, collective, 2);
      const auto listed = *ring_on(machine, collective, 1000);
      EXPECT_TRUE(folded.schedule.folding().folded());
      EXPECT_FALSE(listed.schedule.folding().folded());
      EXPECT_EQ(folded.schedule.step_count(), listed.schedule.step_count());
      EXPECT_EQ(sends(folded.schedule), sends(listed.schedule));
      EXPECT_EQ(rounds(folded.schedule), rounds(listed.schedule));
      const auto one = link_loads(machine, folded.schedule).per_link;
      const auto all = link_loads(machine, listed.schedule).per_link;
      for (std::size_t l = 0; l < all.size(); ++l) EXPECT_NEAR(one[l], all[l], 1e-9) << l;
    }
  }
}

TEST(TurnedRings, MeanWhatTheirListMeans) {
  for (const auto* name : {"star:gpus=5", "hgx-a100:nodes=4,gpus=2"}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : kinds) {
      SCOPED_TRACE(fmt::format("{} {}", name, to_string(kind)));
      test::expect_as_listed(machine, ring_on(machine, make_collective(kind, machine.ranks()), 2)->schedule, {0, 65536});
    }
  }
}

// 48 blocks of 2^20 floats, as evenly as whole elements allow, each cut for eight rings: all in the same order, so that images differ by an element.
TEST(TurnedRings, FoldPayloadsThatMembersDoNotDivide) {
  const auto machine = *make_preset("dgx-a100", {{"nodes", "6"}});
  for (const auto kind : kinds) {
    const auto plan = ring_on(machine, make_collective(kind, 48), 2);
    ASSERT_TRUE(plan) << describe(plan.error());
    ASSERT_GT(plan->schedule.folding().images(), 1) << to_string(kind);
    const auto even = even_payloads(plan->schedule, {.elements = (1 << 20) + 1});
    EXPECT_TRUE(even) << to_string(kind);
  }
}

TEST(TurnedRings, AreListedWhereMembersDiffer) {
  const auto machine = test::one_switch(8);
  auto few = make_collective(CollectiveKind::all_gather, 8);
  few.members.pop_back();
  auto silent = make_collective(CollectiveKind::all_reduce, 8);
  silent.silent = {Rank{3}};
  auto shares = make_collective(CollectiveKind::reduce_scatter, 8);
  shares.shares = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const auto& collective : {few, silent, shares, make_collective(CollectiveKind::broadcast, 8), make_collective(CollectiveKind::all_to_all, 8)})
    EXPECT_FALSE(ring_on(machine, collective, 2)->schedule.folding().folded()) << to_string(collective.kind);
}

}  // namespace
}  // namespace p2plab::turned_rings_test
