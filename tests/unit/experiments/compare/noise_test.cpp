// SPDX-License-Identifier: Apache-2.0
// What `compare` finds in repeats with noise: a planted slowdown, and nothing where nothing is.
#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "p2plab/report/compare.h"

namespace p2plab::noise_test {
namespace {

constexpr int seeds = 100;
constexpr int wanted = 95;

// Repeats spread by 1 %, every twentieth is up to 30 % late, and a row is off by 0.3 % from one run to the next.
struct Noise {
  double spread = 0.01;
  double late = 0.05;
  double run = 0.003;
  int repeats = 7;
};

// Three algorithms from 1 KiB to 64 MiB; `ring` takes `factor` x the time from 4 MiB on.
Report measured(std::uint64_t seed, double factor, const Noise& noise = {}) {
  std::mt19937_64 random{seed};
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  Report report{.name = "run", .provenance = {.topology = "server"}};
  for (const std::string algorithm : {"ring", "one_shot", "two_shot"}) {
    for (std::int64_t size = 1 << 10; size <= 64 << 20; size *= 4) {
      Row row;
      row.algorithm = algorithm;
      row.ranks = 4;
      row.dtype = "float16";
      row.size = Bytes{size};
      row.measurement = {.executor = "cuda", .clock = Clock::device};
      const bool planted = algorithm == "ring" && size >= 4 << 20;
      const auto time = (5e-6 + static_cast<double>(size) * 4e-12) * (planted ? factor : 1) * std::exp(noise.run * normal(random));
      for (int r = 0; r < noise.repeats; ++r) {
        const auto late = uniform(random) < noise.late ? 1 + 0.3 * uniform(random) : 1;
        row.measurement.samples.push_back(Seconds{time * late * std::exp(noise.spread * normal(random))});
      }
      report.rows.push_back(row);
    }
  }
  return report;
}

std::vector<Difference> differences(const Report& a, const Report& b) {
  const auto verdicts = compare(a, b).verdicts();
  return verdicts.size() == 1 ? verdicts[0].differences : std::vector<Difference>{};
}

// Found: something differs, and nothing but the planted algorithm at planted sizes, or one size before them. A row whose baseline was late twice may
// not tell, so the range is exact less often.
TEST(CompareNoise, APlantedSlowdownOfFivePercentIsFoundWhereItIs) {
  int found = 0;
  int exact = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto all = differences(measured(2 * seed, 1), measured(2 * seed + 1, 1.05));
    const auto planted = [](const Difference& each) {
      return each.algorithm == "ring" && each.first >= Bytes{1 << 20} && each.ratio.value > 1 && each.ratio.value < 1.09 && each.p;
    };
    if (all.empty() || !std::ranges::all_of(all, planted)) continue;
    ++found;
    exact += all[0].first == Bytes{4 << 20} && all[0].to_greatest ? 1 : 0;
  }
  EXPECT_GE(found, wanted);
  EXPECT_GE(exact, 3 * seeds / 4);
}

TEST(CompareNoise, EqualRunsDifferInNothing) {
  int none = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) none += differences(measured(2 * seed, 1), measured(2 * seed + 1, 1)).empty() ? 1 : 0;
  EXPECT_GE(none, wanted);
}

// The interval of all rows together holds the truth as often as it says.
TEST(CompareNoise, TheIntervalHoldsTheTruthNinetyFiveTimesOfAHundred) {
  int inside = 0;
  constexpr int more = 1000;
  for (std::uint64_t seed = 0; seed < more; ++seed) {
    const Noise plain{.late = 0, .run = 0};
    const auto verdicts = compare(measured(2 * seed, 1, plain), measured(2 * seed + 1, 1, plain)).verdicts();
    ASSERT_EQ(verdicts.size(), 1);
    inside += *verdicts[0].mean.low <= 1 && 1 <= *verdicts[0].mean.high ? 1 : 0;
  }
  EXPECT_NEAR(inside, 950, 3 * std::sqrt(1000 * 0.95 * 0.05));  // three standard deviations
}

TEST(CompareNoise, ASlowdownIsToldWithItsIntervalAndRange) {
  const std::vector comparisons{
      compare(measured(1, 1, {.spread = 0.002, .late = 0, .run = 0}), measured(2, 1.05, {.spread = 0.002, .late = 0, .run = 0}))};
  const auto text = to_text(comparisons);
  EXPECT_NE(text.find("B, cuda: all_reduce ring is "), std::string::npos) << text;
  EXPECT_NE(text.find(" %) slower from 4 MiB, p < 0.001. Together 27 rows take 1.0"), std::string::npos) << text;
  EXPECT_EQ(slower_than(1.03, comparisons).size(), 1);
  EXPECT_TRUE(slower_than(1.10, comparisons).empty());
}

}  // namespace
}  // namespace p2plab::noise_test
