// SPDX-License-Identifier: Apache-2.0
// Few steps where some members give nothing: what is said to be impossible must not be what a simpler collective does.
#include <gtest/gtest.h>

#include "p2plab/plan/frontier.h"
#include "p2plab/schedule/verify.h"
#include "support/machines.h"

namespace p2plab::latency_silent_test {
namespace {

// Counts of messages that hold where all give are too high here: on the line 2 chunks fit into 3 steps and rounds, not 1.
TEST(LatencyOfSilentMembers, AllReduceFromOneGiverIsNotSaidToMoveLessThanItsBroadcast) {
  for (const auto& [topology, sender] : {std::pair{test::line(4), Rank{1}}, {test::line(3), Rank{0}}, {test::full_mesh(3), Rank{0}}}) {
    auto collective = make_collective(CollectiveKind::all_reduce, topology.ranks());
    for (const auto rank : collective.members) {
      if (rank != sender) collective.silent.push_back(rank);
    }
    const FrontierOptions options{.most_chunks = 5, .most_steps = 4};
    const auto sums = frontier(topology, collective, options);
    const auto copies = frontier(topology, make_collective(CollectiveKind::broadcast, topology.ranks(), sender), options);
    ASSERT_TRUE(sums && copies);
    ASSERT_FALSE(sums->points.empty());
    for (const auto& sum : sums->points) {
      EXPECT_TRUE(verify(topology, sum.plan.schedule));
      for (const auto& copy : copies->points) {
        if (copy.steps > sum.steps || copy.rounds > sum.rounds) continue;
        EXPECT_GE(sum.most_chunks, copy.chunks) << topology.ranks() << ": " << sum.steps << ',' << sum.rounds;
      }
    }
  }
}

}  // namespace
}  // namespace p2plab::latency_silent_test
