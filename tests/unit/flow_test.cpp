// All-to-all plans against the maximum concurrent flow.
#include <gtest/gtest.h>

#include "../support/machines.h"
#include "../support/optima.h"
#include "../support/plans.h"
#include "p2plab/analysis.h"
#include "p2plab/bounds.h"
#include "p2plab/presets.h"

namespace p2plab {
namespace {

// The bandwidth that the plan's link loads allow, over the bound's.
double optimality(const Topology& machine, const Plan& plan) {
  const Routes routes(machine);
  const auto best = bound(machine, plan.schedule.collective());
  EXPECT_TRUE(best);
  return bottleneck(machine, link_loads(machine, routes, plan.schedule)).algbw_gbps() / best->algbw_gbps();
}

TEST(Flow, IsWithinTwoPercentOfTheBoundOnEveryReferenceMachine) {
  if (testing::optima().empty()) GTEST_SKIP() << "no reference optima in " << testing::reference_optima();
  for (const auto& row : testing::optima()) {
    const auto machine = testing::reference_machine(row.name);
    const auto plan = testing::plan_on(machine, "flow", CollectiveKind::all_to_all);
    ASSERT_TRUE(plan) << row.name << describe(plan.error());
    EXPECT_GE(optimality(machine, *plan), 0.98) << row.name << plan->reason;
    EXPECT_LE(optimality(machine, *plan), 1 + 1e-6) << row.name;
  }
}

// A torus of 5 x 5: blocks go 1.2 hops in each dimension on average, over 2 links of 50 GB/s: each link carries 0.6 of the payload.
TEST(Flow, ATorusIsFilledInBothDimensions) {
  const auto machine = *make_preset("torus", {{"dims", "5x5"}});
  const auto plan = testing::plan_on(machine, "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_NEAR(bottleneck(machine, link_loads(machine, Routes{machine}, plan->schedule)).algbw_gbps(), 50 / 0.6, 1e-3);
}

TEST(Flow, OneSwitchIsOneRound) {
  for (const int n : {2, 3, 5, 8}) {
    const auto plan = testing::plan_on(testing::one_switch(n), "flow", CollectiveKind::all_to_all);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(rounds(plan->schedule), 1) << n;
  }
}

// Two members at the ends of a line of three: the GPU between them relays.
TEST(Flow, OtherGpusRelay) {
  const auto machine = testing::line(3);
  Collective collective{.kind = CollectiveKind::all_to_all, .members = {Rank{0}, Rank{2}}};
  const auto plan = testing::plan_on(machine, "flow", collective);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 2);
  EXPECT_NEAR(optimality(machine, *plan), 1, 1e-6);
}

TEST(Flow, OneMemberHasNothingToSend) {
  const auto plan = testing::plan_on(testing::one_switch(1), "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 0);
}

}  // namespace
}  // namespace p2plab
