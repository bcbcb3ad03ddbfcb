// SPDX-License-Identifier: Apache-2.0
// Patterns: thousands of ranks from what one rank does; the same result as the program written out.
#include <gtest/gtest.h>

#include "p2plab/machine/routes.h"
#include "support/simulated.h"

namespace p2plab::pattern_test {
namespace {

using test::at_rate;
using test::one_us;

PathOf by(const Routes& routes) {
  return [&routes](Rank from, Rank to) {
    const auto path = routes.between(from, to);
    return std::vector<LinkId>(path.begin(), path.end());
  };
}

// Ranks that begin one after another are not alike, so nothing would be folded.
Profile busy_profile() {
  auto profile = test::busy_profile();
  profile.start_skew = Seconds{0};
  return profile;
}

void expect_same_if(bool folded, const Topology& machine, const Pattern& pattern, const Profile& profile) {
  const auto& routes = machine.routes();
  const auto whole = simulate(machine, unfold(pattern), profile);
  const auto lazy = simulate(machine, by(routes), pattern, profile, {.fold = folded});
  ASSERT_TRUE(whole) << describe(whole.error());
  ASSERT_TRUE(lazy) << describe(lazy.error());
  EXPECT_EQ(whole->makespan, lazy->makespan);
  EXPECT_EQ(whole->bound, lazy->bound);
  EXPECT_EQ(whole->rank_finish, lazy->rank_finish);
  EXPECT_EQ(whole->transfers, lazy->transfers);
  EXPECT_EQ(whole->events, lazy->events);
  EXPECT_EQ(whole->slices, lazy->slices);
  ASSERT_EQ(whole->uses.size(), lazy->uses.size());
  for (std::size_t u = 0; u < whole->uses.size(); ++u) {
    EXPECT_EQ(whole->uses[u].name, lazy->uses[u].name);
    EXPECT_EQ(whole->uses[u].bytes, lazy->uses[u].bytes) << whole->uses[u].name;
    EXPECT_EQ(whole->uses[u].busy, lazy->uses[u].busy) << whole->uses[u].name;
  }
}

void expect_same(const Topology& machine, const Pattern& pattern, const Profile& profile) {
  expect_same_if(true, machine, pattern, profile);
  expect_same_if(false, machine, pattern, profile);
}

TEST(Pattern, GivesWhatTheProgramWrittenOutGives) {
  for (const auto& profile : {Profile{}, busy_profile()}) {
    for (const auto& tuning : {Tuning{}, Tuning{.blocks_per_lane = 2, .slice = 4_KiB}}) {
      for (const int n : {2, 3, 5, 8, 16}) {
        expect_same(test::one_switch(n), ring_pattern(n, Bytes{n * 20'000}, tuning), profile);
        expect_same(test::full_mesh(n), ring_pattern(n, Bytes{n * 20'000}, tuning), profile);
        expect_same(test::one_switch(n), all_to_all_pattern(n, Bytes{n * 20'000}, tuning), profile);
      }
      for (const auto& [servers, gpus] : {std::pair{2, 4}, std::pair{3, 2}, std::pair{5, 3}, std::pair{4, 1}, std::pair{1, 4}}) {
        expect_same(test::servers(servers, gpus), hierarchical_pattern(servers, gpus, Bytes{servers * gpus * 20'000}, tuning), profile);
      }
    }
  }
}

TEST(Pattern, OfARingTakesAsLongAsThePlannersRing) {
  for (const int n : {2, 3, 5, 7, 16}) {
    const auto machine = test::one_switch(n);
    const auto planned = test::planned(machine, "ring", CollectiveKind::all_reduce, Bytes{n * 4096}, {{"rings", "1"}});
    const auto& routes = machine.routes();
    const auto pattern = simulate(machine, by(routes), ring_pattern(n, Bytes{n * 4096}), Profile{});
    ASSERT_TRUE(pattern);
    EXPECT_EQ(pattern->makespan, test::makespan(machine, planned));
    EXPECT_EQ(pattern->transfers, std::int64_t{2} * n * (n - 1));
  }
}

TEST(Pattern, HierarchicalTakesTheSumOfItsRings) {
  const int servers = 4;
  const int gpus = 8;
  const auto machine = test::servers(servers, gpus);
  const auto& routes = machine.routes();
  const auto result = simulate(machine, by(routes), hierarchical_pattern(servers, gpus, Bytes{servers * gpus * 65'536}), Profile{});
  ASSERT_TRUE(result);
  const auto in_server = (gpus - 1) * (one_us + at_rate(servers * 65'536, 450));
  const auto between = 2 * (servers - 1) * (3 * one_us + at_rate(65'536, 50));  // two PCIe and two network links
  EXPECT_EQ(result->makespan, 2 * in_server + between);
}

// Ranks that are alike take no longer than one of them: these would be 25 million transfers.
TEST(Pattern, OfTenThousandGpusFoldsToOne) {
  const int servers = 1250;
  const int gpus = 8;
  Topology::Builder builder("servers");
  const auto network = builder.add_node({.name = "net", .kind = NodeKind::network_switch});
  for (int b = 0; b < servers; ++b) {
    const auto hub = builder.add_node({.name = "sw" + std::to_string(b), .kind = NodeKind::nvswitch});
    for (int i = b * gpus; i < (b + 1) * gpus; ++i) {
      const auto gpu = builder.add_node({.name = "gpu" + std::to_string(i)});
      builder.add_duplex(gpu, hub, LinkKind::nvlink, GBps(450), Seconds{500e-9});
      builder.add_duplex(gpu, network, LinkKind::network, GBps(50), Seconds{1500e-9});
    }
  }
  const auto machine = test::built(std::move(builder));
  const auto path_of = [&](Rank from, Rank to) {
    const int link = from.value / gpus == to.value / gpus ? 0 : 2;
    return std::vector{LinkId{4 * from.value + link}, LinkId{4 * to.value + link + 1}};
  };
  const auto result = simulate(machine, path_of, hierarchical_pattern(servers, gpus, Bytes{servers * gpus * 4096}), Profile{});
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(result->makespan, 2 * (gpus - 1) * (one_us + at_rate(servers * 4096, 450)) + 2 * (servers - 1) * (3 * one_us + at_rate(4096, 50)));
  EXPECT_EQ(result->transfers, 10'000 * (2 * (gpus - 1) + 2 * (servers - 1)));
}

TEST(Pattern, RefusesWhatIsNone) {
  const auto machine = test::one_switch(4);
  const auto& routes = machine.routes();
  const auto message = [&](const Pattern& pattern, const SimOptions& options = {}) {
    const auto result = simulate(machine, by(routes), pattern, Profile{}, options);
    return result ? std::string{"no error"} : result.error().message;
  };
  auto pattern = ring_pattern(4, 1_MiB);
  EXPECT_EQ(message(pattern, {.record = true}), "a pattern gives no steps and no recording; unfold it into a program");
  EXPECT_EQ(message(ring_pattern(3, 1_MiB)), "the program is for 3 ranks, topology 'switch' has 4");
  pattern.extents = {2, 3};
  EXPECT_EQ(message(pattern), "the pattern's extents make 6 ranks, its program is for 4");
  pattern.extents = {4, 0};
  EXPECT_EQ(message(pattern), "a pattern's extents must be at least 1 and make up at most 2^24 ranks, found 0");
  pattern = ring_pattern(4, 1_MiB);
  pattern.program.lanes[0].rank = Rank{1};
  EXPECT_EQ(message(pattern), "a pattern has lanes of rank 0 only, found one of rank 1");
  pattern = ring_pattern(4, 1_MiB);
  pattern.program.waits[0].lane = LaneId{4};
  EXPECT_EQ(message(pattern), "lane 0, instruction 1 (step 1, rank 0): it waits for lane 4 of 4");
}

}  // namespace
}  // namespace p2plab::pattern_test
