// SPDX-License-Identifier: Apache-2.0
// Arbitration at links, and senders held back by what is slow further on.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "support/flows.h"
#include "support/simulated.h"

namespace p2plab::turns_test {
namespace {

using test::at_rate;
using test::one_us;

double us(SimTime time) { return static_cast<double>(time.count()) / 1e6; }

// Ranks 1, 2 and 4 fill the port of rank 0; rank 1 sends to rank 3 as well, which nobody else does: fair are a third of the port each, and what is
// then left of rank 1's own link for rank 3. Were its link shared evenly, more than rank 0 can take would pile up in the switch, and rank 3 would
// wait.
TEST(Arbitration, WhatIsHeldUpFurtherOnLeavesTheSendersLinkToOthers) {
  const auto machine = test::one_switch(5);
  constexpr std::int64_t third = 20'000'000;
  const auto program = test::program_of({{1, 0, third}, {2, 0, third}, {4, 0, third}, {1, 3, 2 * third}}, 5, 64_KiB);
  const auto result = test::simulated(machine, program);
  const double fair = us(at_rate(3 * third, 100)) + 1;
  EXPECT_NEAR(us(result.makespan), fair, 0.01 * fair);
  for (const int rank : {1, 2, 4}) EXPECT_NEAR(us(result.rank_finish[static_cast<std::size_t>(rank)]), fair, 0.01 * fair) << rank;
}

// A full port serves its senders in turn, however far ahead one of them could run.
TEST(Arbitration, ASenderThatBeganEarlierDoesNotKeepAFullPortFromLaterOnes) {
  const auto machine = test::one_switch(4);
  constexpr std::int64_t bytes = 30'000'000;
  const auto program = test::program_of({{1, 0, bytes}, {2, 0, bytes}, {3, 0, bytes / 10}}, 4, 64_KiB);
  SimOptions options;
  options.late = {SimTime{0}, SimTime{0}, SimTime{0}, 100 * one_us};
  const auto result = test::simulated(machine, program, {}, options);
  // The late one has a third of the port from then on.
  const double last = 100 + 1 + us(at_rate(3 * bytes / 10, 100));
  EXPECT_NEAR(us(result.rank_finish[3]), last, 0.02 * last);
}

// However small slices are beside what a long link holds, a slower link behind it is never idle.
TEST(Arbitration, ASlowLinkBehindALongOneIsAlwaysBusy) {
  for (const double latency : {0.0, 1e-6, 5e-6, 2e-5}) {
    for (const auto slice : {1_KiB, 16_KiB, 100_KiB}) {
      auto builder = test::with_gpus("narrowing", 2);
      const auto near = builder.add_node({.name = "near", .kind = NodeKind::network_switch});
      const auto far = builder.add_node({.name = "far", .kind = NodeKind::network_switch});
      builder.add_link({NodeId{0}, near, LinkKind::network, GBps(400), Seconds{0}});
      builder.add_link({near, far, LinkKind::network, GBps(100), Seconds{latency}});
      builder.add_link({far, NodeId{1}, LinkKind::network, GBps(25), Seconds{latency}});
      const auto machine = test::built(std::move(builder));
      const std::int64_t bytes = 10 << 20;
      const auto result = test::simulated(machine, test::program_of({{0, 1, bytes}}, 2, slice));
      const double fill = 2 * latency * 1e6;
      const double flowing = us(at_rate(bytes, 25));
      EXPECT_NEAR(us(result.makespan), fill + flowing, 0.001 * flowing) << latency << ' ' << slice.count();
    }
  }
}

// Servers whose NICs have a fraction of the links inside: flows meet at several stages, each with other ones.
TEST(Arbitration, OnTwoTiersEventsAreNearFairSharing) {
  std::mt19937_64 random(23);
  for (int set = 0; set < 60; ++set) {
    const int size = 2 + set % 3;
    const auto machine = test::servers(2 + set % 2, size);
    const int ranks = machine.ranks();
    const auto flows = test::random_flows(random, ranks, 1 + static_cast<int>(random() % static_cast<std::uint64_t>(2 * ranks)), 64_MiB);
    const auto fair = test::simulated(machine, test::program_of(flows, ranks, Bytes{0}), {}, {.engine = SimEngine::max_min});
    const auto events = test::simulated(machine, test::program_of(flows, ranks, 256_KiB));
    EXPECT_NEAR(us(events.makespan), us(fair.makespan), 0.015 * us(fair.makespan)) << set;
  }
}

}  // namespace
}  // namespace p2plab::turns_test
