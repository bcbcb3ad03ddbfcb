// SPDX-License-Identifier: Apache-2.0
// Changed machines, sensitivities and spread: where theory gives the number, it is that number.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "p2plab/simulator/machine_change.h"
#include "p2plab/simulator/sensitivity.h"
#include "support/simulated.h"

namespace p2plab::what_if_test {
namespace {

using test::at_rate;
using test::one_us;

TEST(MachineChange, ScalesBothDirectionsAndLeavesTheRest) {
  const auto machine = test::full_mesh(3);
  const auto slower = change_machine(machine, {.links = {{"gpu0", "gpu1", 0.5}}});
  ASSERT_TRUE(slower);
  for (std::size_t l = 0; l < machine.links().size(); ++l) {
    const auto& link = slower->topology.links()[l];
    const bool changed = link.from.value + link.to.value == 1;
    EXPECT_EQ(link.bandwidth, GBps(changed ? 12.5 : 25));
  }
  const auto program = test::lowered(machine, test::pairs(3, {{Rank{0}, Rank{1}}}), 1_MiB);
  EXPECT_EQ(test::makespan(slower->topology, program), one_us + at_rate(1 << 20, 12.5));
  const auto gpu = change_machine(machine, {.gpus = {{"gpu2", 2}}});
  EXPECT_EQ(std::ranges::count(gpu->topology.links(), GBps(50), &Link::bandwidth), 4);
}

TEST(MachineChange, ALostLinkTakesItsRoutesWithIt) {
  const auto machine = test::full_mesh(2);
  const auto lost = change_machine(machine, {.links = {{"gpu1", "gpu0", 0}}});
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->topology.links().empty());
  auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_KiB);
  EXPECT_FALSE(simulate(lost->topology, *on_machine(program, *lost), {}));
  program.route_links = {LinkId{0}};
  program.route_offsets = {0, 1};
  const auto refused = on_machine(program, *lost);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the plan sends data along a link that is lost");
}

TEST(MachineChange, WrongNamesAndFactorsAreErrors) {
  const auto machine = test::line(3);
  EXPECT_FALSE(change_machine(machine, {.links = {{"gpu0", "gpu9", 0.5}}}));
  EXPECT_FALSE(change_machine(machine, {.links = {{"gpu0", "gpu2", 0.5}}}));  // not linked
  EXPECT_FALSE(change_machine(machine, {.links = {{"gpu0", "gpu1", -1}}}));
  EXPECT_FALSE(change_machine(machine, {.links = {{"gpu0", "gpu1", std::nan("")}}}));
  EXPECT_FALSE(change_machine(machine, {.gpus = {{"gpu0", 0}}}));
}

const Sensitivity& find(const std::vector<Sensitivity>& all, const std::string& name) {
  return *std::ranges::find(all, name, &Sensitivity::parameter);
}

TEST(Sensitivity, OfACopyIsItsSharesOfTheTime) {
  const auto machine = test::full_mesh(2);
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB);
  const Profile profile{.launch = Seconds{3e-6}};
  const auto all = sensitivities(machine, program, profile);
  ASSERT_TRUE(all);
  const double link = 1048576 / 25e9;
  EXPECT_NEAR(find(*all, "bandwidth of link gpu0 - gpu1").gain.count(), link * (1 - 1 / 1.1), 1e-12);
  EXPECT_NEAR(find(*all, "bandwidth of all nvlink links").gain.count(), link * (1 - 1 / 1.1), 1e-12);
  EXPECT_NEAR(find(*all, "latency of all nvlink links").gain.count(), 0.1e-6, 1e-12);
  const auto& launch = find(*all, "launch");
  EXPECT_NEAR(launch.gain.count(), 0.3e-6, 1e-12);
  EXPECT_NEAR(launch.derivative, 1, 1e-6);  // a second more of launch is a second more of time
  EXPECT_NEAR(launch.elasticity, 3e-6 / (4e-6 + link), 1e-6);
  EXPECT_EQ(all->front().gain, std::ranges::max(*all, {}, &Sensitivity::gain).gain);
  EXPECT_EQ(std::ranges::count(*all, "store_rate", &Sensitivity::parameter), 0);  // it costs nothing here
}

TEST(Spread, WithoutAnyIsTheSteadyTimeAndTheSameSeedGivesTheSameFigures) {
  const auto machine = test::one_switch(4);
  const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 64_KiB);
  const auto still = simulate_jitter(machine, program, {}, {.samples = 3});
  ASSERT_TRUE(still);
  EXPECT_EQ(still->p50, still->steady);
  EXPECT_EQ(still->worst, still->steady);
  const Spread noise{.link_jitter = 0.1, .straggler = Seconds{2e-6}, .straggler_chance = 0.5, .samples = 200, .seed = 9};
  const auto first = simulate_jitter(machine, program, {}, noise);
  const auto second = simulate_jitter(machine, program, {}, noise);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->p99, second->p99);
  EXPECT_EQ(first->mean, second->mean);
  EXPECT_LE(first->p50, first->p90);
  EXPECT_LE(first->p90, first->p99);
  EXPECT_LE(first->p99, first->worst);
  EXPECT_GT(first->p50, first->steady);
  auto other = noise;
  other.seed = 10;
  EXPECT_NE(simulate_jitter(machine, program, {}, other)->mean, first->mean);
}

TEST(Spread, OfOneCopyIsTheDelayOfItsSender) {
  // Exponential with mean 2 us: the median is 2 us * ln 2, the 90 % point 2 us * ln 10; 20,000 draws know them to 3 %.
  const auto machine = test::full_mesh(2);
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 16_B);
  const Profile profile{};
  auto only_sender = simulate_jitter(machine, program, profile, {.straggler = Seconds{2e-6}, .samples = 20'000});
  ASSERT_TRUE(only_sender);
  // The receiver's own start counts too: the end is the later of both, so the distribution is that of the larger of sender + copy and receiver.
  EXPECT_GT(only_sender->p50.count(), only_sender->steady.count() + 2e-6 * 0.6931 * 0.97);
  EXPECT_LT(only_sender->p50.count(), only_sender->steady.count() + 2e-6 * 1.2279 * 1.03);  // were it the larger of two such delays
}

TEST(Spread, ImpossibleOnesAreErrors) {
  const auto machine = test::full_mesh(2);
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 16_B);
  for (const auto& spread : {Spread{.link_jitter = -1}, Spread{.link_jitter = std::nan("")}, Spread{.straggler = Seconds{-1}},
                             Spread{.straggler_chance = 2}, Spread{.samples = 0}}) {
    EXPECT_FALSE(simulate_jitter(machine, program, {}, spread));
  }
}

}  // namespace
}  // namespace p2plab::what_if_test
