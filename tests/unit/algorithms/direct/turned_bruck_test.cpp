// SPDX-License-Identifier: Apache-2.0
// Bruck's circle turns: the folded plan is what the list is.
#include <gtest/gtest.h>

#include <array>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/folding.h"
#include "support/plans.h"

namespace p2plab::turned_bruck_test {
namespace {

constexpr std::array kinds{CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter};

Result<Plan> bruck_on(const Topology& machine, CollectiveKind kind, std::size_t fold_from, bool fixed_order = false) {
  return test::plan_on(machine, "bruck", make_collective(kind, machine.ranks()), {}, {.fold_from = fold_from, .fixed_order = fixed_order});
}

// By one place on a switch, by a server among servers, of odd numbers, too.
TEST(TurnedBruck, LoadsLinksAsTheListDoes) {
  struct Case {
    const char* machine;
    int images;
  };
  for (const auto& [name, images] : {Case{"star:gpus=7", 7}, Case{"hgx-a100:nodes=3,gpus=4", 3}, Case{"hgx-a100:nodes=4,gpus=1", 4}}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : kinds) {
      SCOPED_TRACE(fmt::format("{} {}", name, to_string(kind)));
      const auto folded = *bruck_on(machine, kind, 2);
      const auto listed = *bruck_on(machine, kind, 1000);
      EXPECT_EQ(folded.schedule.folding().images(), images);
      EXPECT_FALSE(listed.schedule.folding().folded());
      EXPECT_EQ(folded.schedule.step_count(), listed.schedule.step_count());
      EXPECT_EQ(rounds(folded.schedule), rounds(listed.schedule));
      const auto one = link_loads(machine, folded.schedule).per_link;
      const auto all = link_loads(machine, listed.schedule).per_link;
      for (std::size_t l = 0; l < all.size(); ++l) EXPECT_NEAR(one[l], all[l], 1e-9) << l;
    }
  }
}

TEST(TurnedBruck, MeansWhatItsListMeans) {
  for (const auto* name : {"star:gpus=5", "hgx-a100:nodes=2,gpus=3"}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : kinds) test::expect_as_listed(machine, bruck_on(machine, kind, 2)->schedule, {0, 1, 1021});
  }
}

TEST(TurnedBruck, IsListedWhereSumsHaveOneOrder) {
  const auto machine = *resolve_topology("star:gpus=4");
  EXPECT_FALSE(bruck_on(machine, CollectiveKind::all_reduce, 2, true)->schedule.folding().folded());
}

}  // namespace
}  // namespace p2plab::turned_bruck_test
