// SPDX-License-Identifier: Apache-2.0
// Where the time goes: every picosecond has a cause, and where theory names the cause it is that one.
#include <algorithm>

#include <gtest/gtest.h>

#include "p2plab/simulator/critical_path.h"
#include "p2plab/simulator/utilisation.h"
#include "support/simulated.h"

namespace p2plab::critical_path_test {
namespace {

using test::at_rate;
using test::one_us;

struct Explained {
  SimResult result;
  CriticalPath path;
  std::vector<SimTime> slack;
};

Explained explain(const Topology& machine, const Program& program, const Profile& profile = {}) {
  auto result = test::simulated(machine, program, profile, {.steps = true, .record = true});
  auto path = critical_path(machine, program, profile, result);
  auto slack = step_slack(machine, program, profile, result);
  return {std::move(result), std::move(path), std::move(slack)};
}

// No gap, no overlap, causes that sum to the makespan.
void expect_whole(const Explained& e) {
  SimTime at{0};
  for (const auto& segment : e.path.segments) {
    EXPECT_EQ(segment.begin, at);
    EXPECT_LT(segment.begin, segment.end);
    at = segment.end;
  }
  EXPECT_EQ(at, e.result.makespan);
  SimTime sum{0};
  for (const auto part : e.path.by_cause) sum += part;
  EXPECT_EQ(sum, e.result.makespan);
}

TEST(CriticalPath, SumsExactlyToTheTimeForEveryPlannerMachineAndTuning) {
  const std::vector<Topology> machines{test::one_switch(2), test::one_switch(5),       test::one_switch(8),           test::full_mesh(3),
                                       test::full_mesh(6),  test::dgx1(8, true, true), test::islands_over_pcie(2, 2), test::servers(2, 2),
                                       test::one_switch(1)};
  for (const auto& machine : machines) {
    for (const char* planner : {"ring", "tree", "one_shot", "two_shot", "hierarchical"}) {
      if (!test::plan_on(machine, planner, CollectiveKind::all_reduce)) continue;
      for (const auto& tuning :
           {Tuning{}, Tuning{.blocks_per_lane = 3, .slice = 4_KiB}, Tuning{.blocks_per_lane = 1, .slice = 16_KiB, .protocol = Protocol::ll}}) {
        for (const std::int64_t size : {0, 1, 99'991, 1 << 20}) {
          const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, Bytes{size}, {}, tuning);
          for (const auto& profile : {Profile{}, test::busy_profile()}) expect_whole(explain(machine, program, profile));
        }
      }
    }
  }
}

TEST(CriticalPath, OneCopyIsLaunchThenSerialisationThenLatency) {
  const auto machine = test::full_mesh(2);
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB);
  const auto e = explain(machine, program, {.launch = Seconds{3e-6}});
  EXPECT_EQ(e.path.of(PathCause::launch), 3 * one_us);
  EXPECT_EQ(e.path.of(PathCause::serialisation), at_rate(1 << 20, 25));
  EXPECT_EQ(e.path.of(PathCause::latency), one_us);
  ASSERT_EQ(e.path.segments.size(), 3U);
  EXPECT_EQ(e.result.uses[static_cast<std::size_t>(busiest_on(e.path).resource)].name, "gpu0 -> gpu1");
}

TEST(CriticalPath, FlowsThatShareALinkQueueForAllButTheirOwnShare) {
  auto builder = test::with_gpus("bus", 6);
  const auto a = builder.add_node({.name = "a", .kind = NodeKind::pcie_switch});
  const auto b = builder.add_node({.name = "b", .kind = NodeKind::pcie_switch});
  builder.add_duplex(a, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
  std::vector<std::pair<Rank, Rank>> who;
  for (int i = 0; i < 3; ++i) {
    builder.add_duplex(NodeId{i}, a, LinkKind::pcie, GBps(10), Seconds{1e-6});
    builder.add_duplex(NodeId{3 + i}, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
    who.emplace_back(Rank{i}, Rank{3 + i});
  }
  const auto machine = test::built(std::move(builder));
  const auto e = explain(machine, test::lowered(machine, test::pairs(6, who), 1_MiB));
  EXPECT_EQ(e.path.of(PathCause::queueing), 2 * at_rate(1 << 20, 10));
  EXPECT_EQ(e.path.of(PathCause::serialisation), at_rate(1 << 20, 10));
  EXPECT_EQ(e.path.of(PathCause::latency), 3 * one_us);
  const auto most = busiest_on(e.path);
  EXPECT_EQ(e.result.uses[static_cast<std::size_t>(most.resource)].name, "a -> b");
  EXPECT_EQ(most.queued, 2 * at_rate(1 << 20, 10));
}

TEST(CriticalPath, AChainPaysOneSignalAndFenceAHop) {
  const auto machine = test::line(4);
  const Profile profile{.signal_peer = Seconds{0.5e-6}, .fence = Seconds{0.25e-6}};
  const auto e = explain(machine, test::lowered(machine, test::chain(4), 64_KiB), profile);
  EXPECT_EQ(e.path.of(PathCause::signal), 2 * SimTime{750'000});
  EXPECT_EQ(e.path.of(PathCause::serialisation), 3 * at_rate(65536, 25));
  EXPECT_EQ(e.path.of(PathCause::latency), 3 * one_us);
}

TEST(CriticalPath, ASlowThreadBlockIsToldFromASlowLink) {
  const auto machine = test::full_mesh(2);
  const auto program = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {{"mode", "push"}}, {.slice = 16_KiB});
  const auto slow_block = explain(machine, program, {.store_rate = GBps(5)});
  EXPECT_EQ(slow_block.path.of(PathCause::thread_block), at_rate(1 << 20, 5));
  EXPECT_EQ(slow_block.path.of(PathCause::serialisation), SimTime{0});
  const auto slow_link = explain(machine, program, {.store_rate = GBps(500)});
  EXPECT_EQ(slow_link.path.of(PathCause::serialisation), 64 * at_rate(16384, 25));
  EXPECT_EQ(slow_link.path.of(PathCause::thread_block), SimTime{0});
}

TEST(CriticalPath, HostMemoryIsNamed) {
  auto builder = test::with_gpus("staged", 2);
  const auto host_node = builder.add_node({.name = "host", .kind = NodeKind::host});
  for (int i = 0; i < 2; ++i) builder.add_duplex(NodeId{i}, host_node, LinkKind::pcie, GBps(10), Seconds{1e-6});
  const auto machine = test::built(std::move(builder));
  auto collective = make_collective(CollectiveKind::send_receive, 2);
  collective.pairs = {{Rank{0}, Rank{1}}};
  auto steps = *Schedule::Builder::create(collective, 2);
  const auto chunk = steps.add_chunk({});
  steps.copy(Rank{0}, input(Rank{0}, chunk), host(Rank{0}, 0));
  steps.copy(Rank{1}, host(Rank{0}, 0), output(Rank{1}, chunk));
  const auto schedule = *std::move(steps).build();
  const auto e = explain(machine, test::lowered(machine, schedule, 1_MiB));
  EXPECT_EQ(e.path.of(PathCause::host), e.result.makespan);
  EXPECT_EQ(e.result.makespan, 2 * (at_rate(1 << 20, 10) + one_us));
}

TEST(Slack, StepsOfTheOnlyChainHaveNoneAndAnIdlePairHasTheRest) {
  const auto machine = test::line(4);
  const auto chain = explain(machine, test::lowered(machine, test::chain(4), 64_KiB));
  for (const auto slack : chain.slack) EXPECT_EQ(slack, SimTime{0});
  // Two copies of one size over links of two speeds: the fast one could end as much later as it ended earlier.
  auto builder = test::with_gpus("two speeds", 4);
  builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_link({NodeId{2}, NodeId{3}, LinkKind::pcie, GBps(40), Seconds{0}});
  const auto uneven = test::built(std::move(builder));
  const auto e = explain(uneven, test::lowered(uneven, test::pairs(4, {{Rank{0}, Rank{1}}, {Rank{2}, Rank{3}}}), 1_MiB));
  EXPECT_EQ(e.slack[0], SimTime{0});
  EXPECT_EQ(e.slack[1], at_rate(1 << 20, 10) - at_rate(1 << 20, 40));
}

TEST(Slack, DelayingAStepByItsSlackDelaysNothingAndSomeStepHasNone) {
  const auto machine = test::dgx1(8, true, false);
  const auto e = explain(machine, test::planned(machine, "ring", CollectiveKind::all_reduce, 1_MiB, {}, {.slice = 16_KiB}), test::busy_profile());
  SimTime least = e.result.makespan;
  for (std::size_t s = 0; s < e.slack.size(); ++s) {
    EXPECT_GE(e.slack[s], SimTime{0});
    EXPECT_LE(e.result.steps[s].end + e.slack[s], e.result.makespan);
    least = std::min(least, e.slack[s]);
  }
  EXPECT_EQ(least, SimTime{0});
}

TEST(Heatmap, RowsSumToTheBusyTimeOfTheirLinks) {
  const auto machine = test::one_switch(4);
  const auto e = explain(machine, test::planned(machine, "ring", CollectiveKind::all_reduce, 1_MiB, {}, {.slice = 16_KiB}), test::busy_profile());
  const auto heatmap = utilisation(e.result, 37);
  ASSERT_EQ(heatmap.names.size(), 8U);  // four GPUs, both ways
  for (std::size_t r = 0; r < heatmap.names.size(); ++r) {
    double sum = 0;
    for (std::size_t c = 0; c < 37; ++c) {
      const auto busy = heatmap.busy[r * 37 + c];
      EXPECT_GE(busy, 0);
      EXPECT_LE(busy, 1 + 1e-9);
      sum += busy;
    }
    const auto use = std::ranges::find(e.result.uses, heatmap.names[r], &ResourceUse::name);
    EXPECT_NEAR(sum / 37 * static_cast<double>(e.result.makespan.count()), static_cast<double>(use->busy.count()), 1.0);
  }
  const auto csv = to_csv(heatmap);
  EXPECT_EQ(std::ranges::count(csv, '\n'), 9);
  EXPECT_EQ(std::ranges::count(csv, ','), 9 * 37);
  EXPECT_NE(to_svg(heatmap).find("gpu0 -&gt; sw"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::critical_path_test
