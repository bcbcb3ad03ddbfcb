// SPDX-License-Identifier: Apache-2.0
// Broadcast and reduce over servers on real data: every root, odd sizes, in place and out.
#include <gtest/gtest.h>

#include <array>

#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::rooted_data_test {
namespace {

struct Servers2d {
  int count;
  int size;
};

class RootedData : public ::testing::TestWithParam<Servers2d> {};

TEST_P(RootedData, IsRightForEveryRoot) {
  const auto executors = builtin_executors();
  const auto host = (*executors.get("executor", "host"))->make();
  const auto [count, size] = GetParam();
  const auto machine = test::servers(count, size);
  constexpr std::array payloads{Payload{1, DataType::uint8}, Payload{1021, DataType::int32}, Payload{4099, DataType::float16},
                                Payload{70'001, DataType::float32}};
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    for (int root = 0; root < machine.ranks(); ++root) {
      const auto& payload = payloads[static_cast<std::size_t>(root) % payloads.size()];
      PlanContext context;
      context.payload = payload;
      context.in_place = root % 2 == 1;
      const auto plan = test::plan_on(machine, "hierarchical", make_collective(kind, machine.ranks(), Rank{root}), {{"across", "tree"}}, context);
      ASSERT_TRUE(plan) << describe(plan.error());
      const auto proof = verify(machine, plan->schedule, {.in_place = context.in_place});
      ASSERT_TRUE(proof) << describe(proof.error());
      for (const auto& tuning : {plan->tuning, Tuning{.blocks_per_lane = 2, .slice = Bytes{512}}, Tuning{.protocol = Protocol::ll}}) {
        const auto program = lower(plan->schedule, *proof, payload, tuning);
        ASSERT_TRUE(program) << describe(program.error());
        const auto done = host->run({&machine, &*plan, &*program}, {.warmup = 0, .repeats = 2, .threads = 2});
        ASSERT_TRUE(done) << describe(done.error());
        EXPECT_TRUE(done->check->passed) << to_string(kind) << " from " << root << ": " << done->check->first_wrong;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, RootedData,
                         ::testing::Values(Servers2d{2, 3}, Servers2d{3, 2}, Servers2d{3, 4}, Servers2d{4, 4}, Servers2d{5, 3}, Servers2d{7, 2}));

}  // namespace
}  // namespace p2plab::rooted_data_test
