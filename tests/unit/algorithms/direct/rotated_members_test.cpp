// SPDX-License-Identifier: Apache-2.0
// Direct plans of many members: one's share, rotated, loads the links as the list of all does.
#include <array>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/order_of_sums.h"
#include "support/plans.h"

namespace p2plab::rotated_members_test {
namespace {

constexpr std::array kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce};

struct Form {
  std::string planner;
  Parameters parameters = {};
};

std::vector<Form> forms() {
  return {{"pairwise"},
          {"one_shot", {{"mode", "pull"}}},
          {"one_shot", {{"mode", "push"}}},
          {"two_shot", {{"mode", "push"}}},
          {"two_shot", {{"mode", "pull"}}},
          {"two_shot", {{"mode", "direct"}}}};
}

Result<Plan> planned(const Topology& machine, const Form& form, const Collective& collective, PlanContext context) {
  return test::plan_on(machine, form.planner, collective, form.parameters, std::move(context));
}

// One payload for all members can be rotated only where it is cut for them.
bool is_rotated(const Form& form, CollectiveKind kind) { return form.planner == "two_shot" || kind != CollectiveKind::all_reduce; }

TEST(RotatedMembers, LoadLinksAsTheListDoes) {
  for (const auto* name : {"hgx-h200:gpus=2", "hgx-h200:gpus=5", "hgx-a100:nodes=3,gpus=1", "hgx-a100:nodes=3,gpus=5",
                           "hgx-h100:nodes=2,network=rail", "hgx-h100:nodes=4,gpus=2,network=tree,leaf=2"}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : kinds) {
      for (const auto& form : forms()) {
        for (const bool in_place : {false, true}) {
          SCOPED_TRACE(fmt::format("{} {} {}", name, form.planner, to_string(kind)));
          const auto collective = make_collective(kind, machine.ranks());
          const auto folded = planned(machine, form, collective, {.in_place = in_place, .fold_from = 2});
          const auto listed = planned(machine, form, collective, {.in_place = in_place});
          ASSERT_EQ(static_cast<bool>(folded), static_cast<bool>(listed));
          if (!folded) continue;
          EXPECT_FALSE(listed->schedule.folding().folded());
          EXPECT_EQ(folded->schedule.folding().images(), is_rotated(form, kind) ? machine.ranks() : 1);
          const auto one = link_loads(machine, folded->schedule).per_link;
          const auto all = link_loads(machine, listed->schedule).per_link;
          for (std::size_t l = 0; l < all.size(); ++l) EXPECT_NEAR(one[l], all[l], 1e-9) << l;
          EXPECT_EQ(rounds(folded->schedule), rounds(listed->schedule));
        }
      }
    }
  }
}

// Each shard's sum begins with another member there.
TEST(RotatedMembers, AreListedWhereSumsHaveOneOrder) {
  const auto machine = *resolve_topology("hgx-h200:gpus=4");
  const auto collective = make_collective(CollectiveKind::all_reduce, 4);
  const Form direct{"two_shot", {{"mode", "direct"}}};
  const auto plan = *planned(machine, direct, collective, {.fold_from = 2, .fixed_order = true});
  EXPECT_FALSE(plan.schedule.folding().folded());
  EXPECT_EQ(*order_of_sums(plan.schedule, false), members_in_order(collective));
}

TEST(RotatedMembers, AreListedWhereMembersDiffer) {
  const auto machine = *resolve_topology("hgx-a100:nodes=2,gpus=4");
  auto few = make_collective(CollectiveKind::all_gather, 8);
  few.members.pop_back();
  auto silent = make_collective(CollectiveKind::all_reduce, 8);
  silent.silent = {Rank{3}};
  auto shares = make_collective(CollectiveKind::all_gather, 8);
  shares.shares = {1, 2, 1, 1, 1, 1, 1, 1};
  for (const auto& collective : {few, silent, shares}) {
    for (const auto& form : forms()) {
      const auto plan = planned(machine, form, collective, {.fold_from = 2});
      EXPECT_FALSE(plan && plan->schedule.folding().folded()) << form.planner;
    }
  }
}

}  // namespace
}  // namespace p2plab::rotated_members_test
