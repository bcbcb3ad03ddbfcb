// SPDX-License-Identifier: Apache-2.0
// Fits on times made from known costs: without noise they come back exactly, with noise within the interval that is claimed.
#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "p2plab/experiment/calibrate.h"
#include "support/machines.h"

namespace p2plab::calibrate_test {
namespace {

WorkTimes line(double start, double cost, const std::vector<double>& amounts) {
  WorkTimes times;
  for (const auto amount : amounts) times.push_back({amount, Seconds{start + cost * amount}});
  return times;
}

// What a machine would show whose thread blocks move `one` bytes per second each and `all` together.
std::vector<BlockTimes> blocks_of(double one, double all) {
  std::vector<BlockTimes> series;
  for (const int blocks : {1, 2, 4, 8, 16, 32}) series.push_back({blocks, line(5e-6, 1 / std::min(blocks * one, all), {1e6, 2e6, 4e6, 6e6})});
  return series;
}

// Costs that a profile is to get back; link latency 2 x 0.5 us and 100 GB/s, as test::one_switch has them.
CalibrationData known_machine() {
  const std::vector<double> counts{250, 500, 1000, 2000};
  return {.machine = "two known GPUs",
          .launches = line(3e-6, 0.7e-6, {1, 25, 50, 100}),
          .peer_round_trips = line(2e-6, 2 * 1.25e-6, counts),
          .packet_round_trips = line(2e-6, 2 * 1.1e-6, counts),
          .local_round_trips = line(2e-6, 2 * 0.6e-6, counts),
          .fences = line(2e-6, 1e-6, counts),
          .slices = line(2e-6, 0.1e-6, counts),
          .stores = blocks_of(45e9, 82e9),
          .loads = blocks_of(27e9, 83e9),
          .sums = line(2e-6, 1 / 90e9, {1e6, 2e6, 4e6}),
          .memory = line(2e-6, 1 / 4000e9, {1e8, 2e8, 4e8})};
}

TEST(FitLine, GetsStartAndCostBackFromTimesWithoutNoise) {
  const auto fit = fit_line(line(3e-6, 0.7e-6, {1, 10, 100}));
  ASSERT_TRUE(fit) << describe(fit.error());
  EXPECT_NEAR(fit->start.value, 3e-6, 1e-15);
  EXPECT_NEAR(fit->cost.value, 0.7e-6, 1e-15);
  EXPECT_NEAR(fit->cost.high - fit->cost.low, 0, 1e-14);
}

TEST(FitLine, OfTwoPointsOffTheLineHasTheIntervalOfTheTextbook) {
  // x = 0, 1, 2; y = 0, 1 + d, 2: slope 1, residuals d/3, -2d/3, d/3 of one degree of freedom, so s = d sqrt(2/3), and the slope's error is s /
  // sqrt(2).
  const double d = 0.3;
  const auto fit = fit_line({{0, Seconds{0}}, {1, Seconds{1 + d}}, {2, Seconds{2}}});
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->cost.value, 1, 1e-12);
  EXPECT_NEAR(fit->cost.high - fit->cost.value, 12.706 * d * std::sqrt(2.0 / 3) / std::sqrt(2.0), 1e-9);
}

TEST(FitLine, TheClaimedIntervalHoldsTheTruthAsOftenAsClaimed) {
  std::mt19937_64 random{7};
  std::normal_distribution<double> noise(0, 0.05e-6);
  int held = 0;
  constexpr int trials = 2000;
  for (int t = 0; t < trials; ++t) {
    WorkTimes times;
    for (const double amount : {10, 20, 30, 40, 50, 60}) times.push_back({amount, Seconds{3e-6 + 0.7e-6 * amount + noise(random)}});
    const auto fit = fit_line(times);
    ASSERT_TRUE(fit);
    held += fit->cost.low <= 0.7e-6 && 0.7e-6 <= fit->cost.high ? 1 : 0;
  }
  // 95 % of 2000 is 1900; four standard deviations of the binomial count are 39.
  EXPECT_NEAR(held, 1900, 39);
}

TEST(FitLine, RefusesWhatHasNoLine) {
  EXPECT_FALSE(fit_line({}));
  EXPECT_FALSE(fit_line(line(0, 1, {1, 2})));
  EXPECT_FALSE(fit_line(line(0, 1, {1, 1, 2, 2})));
  EXPECT_FALSE(fit_line(line(1, -0.1, {1, 2, 3})));
  EXPECT_FALSE(fit_line({{1, Seconds{1}}, {2, Seconds{NAN}}, {3, Seconds{3}}}));
}

TEST(FitSaturation, FindsTheRateOfOneBlockAndTheLimitOfAll) {
  const auto fit = fit_saturation(blocks_of(45e9, 350e9));
  ASSERT_TRUE(fit) << describe(fit.error());
  EXPECT_NEAR(fit->one.value, 45e9, 1);
  EXPECT_NEAR(fit->all.value, 350e9, 1);
}

TEST(FitSaturation, NeedsANumberOfBlocksBelowTheLimit) {
  EXPECT_FALSE(fit_saturation(blocks_of(400e9, 350e9)));
  EXPECT_FALSE(fit_saturation({}));
}

TEST(Calibrate, AKnownMachineComesBackAsItsProfile) {
  const auto found = calibrate(known_machine(), test::one_switch(2), "known");
  ASSERT_TRUE(found) << describe(found.error());
  const auto& profile = found->profile;
  EXPECT_NEAR(profile.launch.count(), 0.7e-6, 1e-12);
  EXPECT_NEAR(profile.signal_peer.count(), 0.25e-6, 1e-12);  // 1.25 us less two links of 0.5 us
  EXPECT_NEAR(profile.poll.count(), 0.1e-6, 1e-12);
  EXPECT_NEAR(profile.signal_local.count(), 0.6e-6, 1e-12);
  EXPECT_NEAR(profile.fence.count(), 1e-6, 1e-12);
  EXPECT_NEAR(profile.slice_cost.count(), 0.1e-6, 1e-12);
  EXPECT_NEAR(profile.store_rate->gbps(), 45, 1e-6);
  EXPECT_NEAR(profile.load_rate->gbps(), 27, 1e-6);
  EXPECT_NEAR(profile.reduce_rate->gbps(), 90, 1e-6);
  EXPECT_NEAR(profile.memory_rate->gbps(), 4000, 1e-4);
  EXPECT_NEAR(profile.link_efficiency, 0.82, 1e-9);  // 82 of 100 GB/s
}

TEST(Calibrate, WhatIsWrittenReadsBackAsTheSameNumbers) {
  const auto found = calibrate(known_machine(), test::one_switch(2), "known");
  ASSERT_TRUE(found);
  const auto text = write_calibration(*found);
  const auto back = parse_profile(text, "profile.yaml");
  ASSERT_TRUE(back) << describe(back.error()) << text;
  EXPECT_EQ(back->name, "known");
  EXPECT_NEAR(back->launch.count(), 0.7e-6, 1e-11);
  EXPECT_NEAR(back->store_rate->gbps(), 45, 1e-3);
  EXPECT_NEAR(back->link_efficiency, 0.82, 1e-5);
  EXPECT_EQ(back->outstanding, 8);
  EXPECT_NE(text.find("two known GPUs"), std::string::npos);
  ASSERT_EQ(back->numbers.size(), found->numbers.size());
  for (std::size_t i = 0; i < back->numbers.size(); ++i) {
    const auto& number = found->numbers[i];
    const double unit = number.unit == "us" ? 1e-6 : number.unit == "GB/s" ? 1e9 : 1;
    const auto read = std::ranges::find(back->numbers, number.name, &NumberInfo::name);
    ASSERT_NE(read, back->numbers.end()) << number.name;
    EXPECT_NEAR(read->low, number.estimate.low * unit, std::abs(number.estimate.low * unit) * 1e-5) << number.name;
    EXPECT_NEAR(read->high, number.estimate.high * unit, std::abs(number.estimate.high * unit) * 1e-5) << number.name;
    EXPECT_NE(read->source.find(number.method), std::string::npos) << read->source;
  }
  EXPECT_NE(text.find("empty kernels in a graph"), std::string::npos);
}

TEST(Calibrate, NamesTheNumberThatCannotBeFitted) {
  auto data = known_machine();
  data.fences = line(1, -1e-6, {1, 2, 3});
  const auto found = calibrate(data, test::one_switch(2), "known");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "fence: the times do not rise with the work");
}

TEST(Calibrate, ALinkThatIsSlowerThanWhatWentOverItIsAWrongDescription) {
  const auto found = calibrate(known_machine(), test::one_switch(2, GBps(50)), "known");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("82.0 GB/s over a link of 50.0 GB/s"), std::string::npos) << found.error().message;
  EXPECT_FALSE(calibrate(known_machine(), test::one_switch(1), "known"));
}

}  // namespace
}  // namespace p2plab::calibrate_test
