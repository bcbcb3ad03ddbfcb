// SPDX-License-Identifier: Apache-2.0
// How far the search for plans and their forms goes, and in which order.
#include <gtest/gtest.h>

#include <set>

#include "p2plab/plan/builtin_planners.h"
#include "plan/best_tuning.h"
#include "plan/grain.h"
#include "plan/selector.h"
#include "support/machines.h"

namespace p2plab::search_test {
namespace {

std::int64_t finest(std::size_t instructions, bool folded) {
  Program program;
  program.instructions.resize(instructions);
  program.folded = folded;
  return (is_large(program) ? most_slices_of(program) : most_in_leaps(program)) / instructions_of(program);
}

// At no length does a plan suddenly get worse because it is cut less fine than a longer one would be.
TEST(Grain, NoProgramIsCutLessFineThanALongerOne) {
  for (const bool folded : {false, true}) {
    auto before = finest(1, folded);
    for (std::size_t instructions = 1; instructions < 150'000; instructions += 1 + instructions / 10) {
      const auto now = finest(instructions, folded);
      EXPECT_LE(now, before) << instructions;
      before = now;
    }
    EXPECT_EQ(finest(16'368, folded), 32);  // one NIC lost over 32 servers, read inside: two slices were 1263 us, not 935
  }
}

TEST(Turns, OneMayWaitForAllOthers) {
  const Evaluator evaluator(test::one_switch(64));
  PlanBook book(evaluator);
  const auto planners = builtin_planners();
  const auto collective = make_collective(CollectiveKind::all_reduce, 64);
  const PlanningOptions options;
  const PlanCall call(options);
  const Payload payload{.elements = 1 << 20, .type = DataType::float16};
  Turns turns(evaluator, book, planners, {collective, payload, call});
  const auto first = turns.next(never);
  ASSERT_TRUE(turns.may_wait(first));
  turns.wait(first);
  std::set<std::size_t> places;
  auto last = first;
  while (!turns.empty()) {
    last = turns.next(never);
    EXPECT_FALSE(turns.may_wait(last));
    EXPECT_TRUE(places.insert(last.place).second) << last.name();
  }
  EXPECT_EQ(last.place, first.place);
  EXPECT_EQ(places.size(), plan_candidates(planners, 64).size());
}

}  // namespace
}  // namespace p2plab::search_test
