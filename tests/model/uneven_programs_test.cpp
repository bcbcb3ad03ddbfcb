// SPDX-License-Identifier: Apache-2.0
// Whole programs of payloads that images do not divide evenly: ranks that wait at one link are served in the order that all images have, so that
// they take what the folded program takes that a plan is chosen by.
#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/program/lower.h"
#include "p2plab/simulator/simulate.h"
#include "support/plans.h"

namespace p2plab::uneven_programs_test {
namespace {

struct Case {
  const char* machine;
  const char* planner;
  CollectiveKind kind;
  Payload payload;
};

struct Lowered {
  Topology machine;
  Program folded;
  Program whole;
};

Lowered lowered(const Case& wanted, std::size_t alike_from) {
  auto machine = *resolve_topology(wanted.machine);
  PlanContext context;
  context.fold_from = 2;
  const auto plan = *test::plan_on(machine, wanted.planner, make_collective(wanted.kind, machine.ranks()), {}, context);
  const auto proof = *verify(machine, plan.schedule);
  const PeerAccess peer_access(machine);
  auto folded = **lower_folded(plan.schedule, proof, wanted.payload, {}, peer_access, 0);
  auto whole = *lower(plan.schedule, proof, wanted.payload, {}, peer_access, CallerMemory::as_proved, alike_from);
  return {std::move(machine), std::move(folded), std::move(whole)};
}

double seconds(const Topology& machine, const Program& program) {
  return to_seconds(simulate(machine, program, Profile{}, {.in_a_row = true})->period).count();
}

TEST(UnevenPrograms, TakeWhatFoldedOnesTake) {
  using enum CollectiveKind;
  for (const auto& wanted : {Case{"hgx-a100:nodes=8,gpus=3", "one_shot", all_gather, {.elements = 369'112, .type = DataType::float16}},
                             Case{"hgx-h100:nodes=16,network=rail,gpus=1", "one_shot", all_to_all, {.elements = 642'989, .type = DataType::int8}},
                             Case{"hgx-a100:nodes=6,gpus=3", "one_shot", reduce_scatter, {.elements = 62'390, .type = DataType::float16}},
                             Case{"hgx-a100:nodes=6,gpus=3", "hierarchical", all_reduce, {.elements = 100'001}}}) {
    const auto [machine, folded, whole] = lowered(wanted, 0);
    EXPECT_TRUE(whole.images) << wanted.machine;
    EXPECT_NEAR(seconds(machine, whole) / seconds(machine, folded), 1, 0.01) << wanted.machine;
  }
}

// Twelve elements for eighteen ranks: some move nothing.
TEST(UnevenPrograms, SayNothingOfRanksThatDoOtherwise) {
  const Case wanted{"hgx-a100:nodes=6,gpus=3", "one_shot", CollectiveKind::all_gather, {.elements = 12}};
  EXPECT_FALSE(lowered(wanted, 0).whole.images);
}

TEST(UnevenPrograms, SayNothingOfShortPlans) {
  const Case wanted{"hgx-a100:nodes=6,gpus=3", "one_shot", CollectiveKind::all_gather, {.elements = 62'390}};
  EXPECT_TRUE(lowered(wanted, 0).whole.images);
  EXPECT_FALSE(lowered(wanted, alike_from_steps).whole.images);
}

}  // namespace
}  // namespace p2plab::uneven_programs_test
