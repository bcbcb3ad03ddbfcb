// SPDX-License-Identifier: Apache-2.0
// What is known of candidates before they are planned.
#include <gtest/gtest.h>

#include "p2plab/machine/fabric.h"
#include "p2plab/plan/builtin_planners.h"
#include "plan/best_tuning.h"
#include "plan/selector.h"
#include "support/machines.h"

namespace p2plab::turns_test {
namespace {

// A job on 68 of 72 GPUs: the other four do not relay, so all who take part hear from all.
TEST(Auto, BoundsAJobsCallsInARowByOneCall) {
  const auto machine = test::servers(9, 8);
  auto collective = make_collective(CollectiveKind::all_reduce, machine.ranks());
  collective.members.resize(68);
  const auto planners = builtin_planners();
  for (const bool relays : {false, true}) {
    const Evaluator evaluator(relays ? machine : *among_members(machine, collective.members));
    const PlanBook book(evaluator);
    const PlanCall call{PlanningOptions{}};
    const auto payload = Payload{.elements = 64};
    Turns turns(evaluator, book, planners, {collective, payload, call});
    const auto first = turns.next(never);
    EXPECT_EQ(first.in_a_row == first.anyone, !relays);
  }
}

}  // namespace
}  // namespace p2plab::turns_test
