// SPDX-License-Identifier: Apache-2.0
// Ten thousand seeded random mutations of good schedules: the verifier rejects at least 99 % of them, and whatever it lets pass is right on data.
// The good schedules are those of every registered planner for every collective on machines of 2, 3, 5 and 8 ranks, in place and out.
//
// A mutation is drawn only if order, place or number can matter, as judged by a replay of the good schedule that counts contributions:
//   a step run again counts where it changes what a later step reads or a receiver ends with (to copy the same value twice changes nothing),
//   a source goes to a place that holds something else then (to read the same value elsewhere changes nothing),
//   steps are swapped if one writes something new to a place that the other touches,
//   the executor becomes a rank that cannot reach all locations (who runs a step does not change what it does).
// Steps to delete and destinations to redirect are drawn from all, also those that move nothing (in place, a chunk copied to itself): the survivors.
// The second test turns it round: the edits that were left out above as harmless must be proved and give right data, or the verifier is too strict.
#include <gtest/gtest.h>

#include <deque>

#include <fmt/format.h>

#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "support/machines.h"
#include "support/mutations.h"
#include "support/plans.h"

namespace p2plab::mutation_test {
namespace {

using test::Mutator;

struct Good {
  const Topology* machine = nullptr;
  Plan plan;
  bool in_place = false;
};

struct Kind {
  std::string name;
  Mutator::Mutant (Mutator::*make)();
};

// How many mutants of one kind.
struct Count {
  int made = 0;
  int rejected = 0;
};

// n GPUs on two switches: pairs have two ways, so plans name routes.
Topology two_switches(int n) {
  auto builder = test::with_gpus("two switches", n);
  for (const std::string name : {"sw0", "sw1"}) {
    const auto hub = builder.add_node({.name = name, .kind = NodeKind::nvswitch});
    for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, hub, LinkKind::nvlink, GBps(100), Seconds{500e-9});
  }
  return test::built(std::move(builder));
}

class Mutations : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const int n : {2, 3, 5, 8}) {
      for (const auto& topology : {test::one_switch(n), two_switches(n), test::line(n), test::full_mesh(n), test::dgx1(n, true, false)})
        machines.push_back(topology);
    }
    for (const auto& machine : machines) {
      for (const auto& entry : planners.entries()) plan_all(machine, entry);
    }
  }

  void plan_all(const Topology& machine, const Entry<Planner>& entry) {
    const int n = machine.ranks();
    for (const auto kind : all_collective_kinds()) {
      for (const bool in_place : {false, true}) {
        const PlanContext context{.payload = payload, .in_place = in_place};
        auto plan = entry.make()->plan(machine, make_collective(kind, n, Rank{n / 2}), context);
        if (!plan || plan->schedule.step_count() == 0) continue;
        ASSERT_TRUE(verify(machine, plan->schedule, {.in_place = in_place})) << entry.name;
        good.push_back({&machine, *std::move(plan), in_place});
      }
    }
  }

  // A mutant of this kind of a schedule drawn at random.
  std::pair<const Good*, test::ScheduleEdit> draw(const Kind& kind, std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    for (int draws = 0;; ++draws) {
      expects(draws < 100'000);  // a kind that no schedule has a place for would be a bug of this test
      const auto& from = good[random() % good.size()];
      Mutator mutator({from.machine->routes(), from.plan.schedule, from.in_place}, random());
      for (int tries = 0; tries < 8; ++tries) {
        if (auto mutant = (mutator.*kind.make)()) return {&from, *std::move(mutant)};
      }
    }
  }

  // Is it rejected, by the builder or the verifier? What is not must give right data.
  bool rejected(const Good& from, const test::ScheduleEdit& mutant) {
    auto schedule = mutant.rebuilt();
    if (!schedule) return true;
    const auto& machine = *from.machine;
    const auto proof = verify(machine, *schedule, {.in_place = from.in_place});
    if (!proof) return true;
    const auto program = lower(*schedule, *proof, payload, {.blocks_per_lane = 2, .slice = Bytes{512}});
    EXPECT_TRUE(program);
    const Plan plan{*std::move(schedule), from.plan.planner};
    const auto done = host->run({&machine, &plan, &*program}, {.warmup = 0, .repeats = 1, .threads = 2});
    EXPECT_TRUE(done) << describe(done.error());
    EXPECT_TRUE(done->check && done->check->passed) << (done->check ? done->check->first_wrong : "no check");
    return false;
  }

  std::vector<Count> mutate(const std::vector<Kind>& kinds, int total) {
    std::vector<Count> counts(kinds.size());
    fmt::print("{} good schedules\n", good.size());
    for (int i = 0; i < total; ++i) {
      const auto which = static_cast<std::size_t>(i) % kinds.size();
      const auto [from, mutant] = draw(kinds[which], static_cast<std::uint64_t>(i));
      SCOPED_TRACE(fmt::format("mutation {}: {}, {} {} on {}, {} ranks{}", i, kinds[which].name, from->plan.planner,
                               to_string(from->plan.schedule.collective().kind), from->machine->name(), from->machine->ranks(),
                               from->in_place ? ", in place" : ""));
      ++counts[which].made;
      counts[which].rejected += rejected(*from, mutant) ? 1 : 0;
      if (HasFailure()) break;
    }
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      fmt::print("{:<42} {:>5} made {:>5} rejected {:>3} harmless\n", kinds[k].name, counts[k].made, counts[k].rejected,
                 counts[k].made - counts[k].rejected);
    }
    return counts;
  }

  const Payload payload{6007, DataType::int32, ReduceOp::sum};
  const Registry<Planner> planners = builtin_planners();
  const Registry<Executor> executors = builtin_executors();
  const std::unique_ptr<Executor> host = executors.find("host")->make();
  std::deque<Topology> machines;
  std::vector<Good> good;
};

TEST_F(Mutations, OfTenThousandTheVerifierRejectsNinetyNinePercentAndTheRestAreHarmless) {
  const std::vector<Kind> kinds{{"step deleted", &Mutator::deleted},
                                {"step run again later", &Mutator::run_again},
                                {"source added again", &Mutator::added_again},
                                {"source dropped", &Mutator::source_dropped},
                                {"source redirected", &Mutator::source_redirected},
                                {"destination redirected", &Mutator::destination_redirected},
                                {"dependent steps swapped", &Mutator::swapped},
                                {"executor out of reach", &Mutator::executor_out_of_reach},
                                {"route spoilt", &Mutator::route_spoilt}};
  const auto counts = mutate(kinds, 10'000);
  int made = 0;
  int rejected = 0;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    made += counts[k].made;
    rejected += counts[k].rejected;
  }
  EXPECT_EQ(made, 10'000);
  EXPECT_GE(rejected * 100, made * 99);
}

TEST_F(Mutations, EditsThatChangeNothingAreProvedAndGiveRightData) {
  const std::vector<Kind> kinds{{"step repeated at once", &Mutator::repeated_at_once},
                                {"source read where the same lies", &Mutator::same_value_elsewhere},
                                {"another executor in reach", &Mutator::executor_in_reach},
                                {"independent neighbours swapped", &Mutator::neighbours_swapped}};
  for (const auto& count : mutate(kinds, 1'000)) {
    EXPECT_EQ(count.made, 250);
    EXPECT_EQ(count.rejected, 0);
  }
}

}  // namespace
}  // namespace p2plab::mutation_test
