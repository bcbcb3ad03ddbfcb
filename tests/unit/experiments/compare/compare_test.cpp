// SPDX-License-Identifier: Apache-2.0
// Reports beside a baseline: what is joined, what is judged, in which words.
#include <cmath>

#include <gtest/gtest.h>

#include "compare/log_ratio.h"
#include "p2plab/report/compare.h"

namespace p2plab::compare_test {
namespace {

constexpr Bytes KiB{1 << 10};
constexpr Bytes MiB{1 << 20};

Row simulated(const std::string& algorithm, Bytes size, double us) {
  Row row;
  row.algorithm = algorithm;
  row.ranks = 4;
  row.dtype = "float16";
  row.size = size;
  row.prediction = Prediction{Seconds{us * 1e-6}};
  row.measurement = {.executor = "simulator", .samples = {row.prediction->time}};
  return row;
}

Row on(const std::string& executor, Clock clock, Bytes size, const std::vector<double>& us) {
  auto row = simulated("ring", size, us.front());
  row.measurement = {.executor = executor, .clock = clock};
  for (const auto each : us) row.measurement.samples.push_back(Seconds{each * 1e-6});
  return row;
}

Report report_of(const std::string& name, std::vector<Row> rows) {
  return {.name = name, .provenance = {.topology = "server"}, .rows = std::move(rows)};
}

std::string text_of(const Report& a, const Report& b) { return to_text(std::vector{compare(a, b)}); }

TEST(Compare, JoinsRowsThatAreAlikeAndCountsTheRest) {
  const auto a = report_of("a", {simulated("ring", MiB, 100), simulated("tree", MiB, 80), simulated("tree", KiB, 8)});
  const auto b = report_of("b", {simulated("ring", MiB, 200), simulated("tree", MiB, 40), simulated("one_shot", KiB, 3)});
  const auto comparison = compare(a, b);
  ASSERT_EQ(comparison.rows.size(), 2);
  EXPECT_NEAR(*comparison.rows[0].ratio(), 2, 1e-12);
  EXPECT_NEAR(*comparison.rows[1].ratio(), 0.5, 1e-12);
  ASSERT_EQ(comparison.only_a.size(), 1);
  EXPECT_EQ(comparison.only_a[0].algorithm, "tree");
  ASSERT_EQ(comparison.only_b.size(), 1);
  EXPECT_EQ(comparison.only_b[0].algorithm, "one_shot");
  ASSERT_EQ(comparison.verdicts().size(), 1);
  EXPECT_NEAR(comparison.verdicts()[0].mean.value, 1, 1e-12);  // 2 x and 1/2 x
}

// A verdict is of the rows that have times on both sides, not of all that are alike.
TEST(Compare, CountsOnlyRowsThatHaveTimes) {
  auto untimed = simulated("tree", MiB, 80);
  untimed.prediction.reset();
  untimed.measurement.samples.clear();
  const auto a = report_of("a", {simulated("ring", MiB, 100), untimed, simulated("tree", KiB, 8)});
  const auto b = report_of("b", {simulated("ring", MiB, 200), simulated("tree", MiB, 40)});
  const auto comparison = compare(a, b);
  ASSERT_EQ(comparison.rows.size(), 2);
  ASSERT_EQ(comparison.verdicts().size(), 1);
  EXPECT_EQ(comparison.verdicts()[0].rows, 1);
  EXPECT_NEAR(comparison.verdicts()[0].mean.value, 2, 1e-12);
}

TEST(Compare, RowsOfDifferentClocksAreNotAlike) {
  const auto comparison = compare(report_of("a", {on("cuda", Clock::device, KiB, {1, 1})}), report_of("b", {on("cuda", Clock::simulated, KiB, {1})}));
  EXPECT_TRUE(comparison.rows.empty());
}

// A lost lane makes predictions slower by 4 %; CPU threads that happened to run faster, and NCCL's formula, change nothing about that.
TEST(Compare, JudgesEachExecutorByItselfAndCpuThreadsNotAtAll) {
  auto formula = simulated("nccl_model", MiB, 80);
  formula.measurement.executor = "nccl_model";
  const auto a = report_of("whole", {simulated("ring", KiB, 10), simulated("ring", MiB, 100), formula, on("host", Clock::host, MiB, {8})});
  auto b = a;
  b.name = "degraded";
  b.rows[1].measurement.samples = {Seconds{104e-6}};
  b.rows[2].measurement.samples = {Seconds{72e-6}};
  b.rows[3].measurement.samples = {Seconds{4e-6}};
  const auto verdicts = compare(a, b).verdicts();
  ASSERT_EQ(verdicts.size(), 2);
  EXPECT_EQ(verdicts[0].executor, "simulator");
  EXPECT_NEAR(verdicts[0].mean.value, std::sqrt(1.04), 1e-12);
  const auto text = text_of(a, b);
  EXPECT_TRUE(text.starts_with("A: whole, server\nB: degraded, server\n")) << text;
  EXPECT_NE(text.find("  B, simulator: all_reduce ring is 4.0 % slower at 1 MiB. Together 2 rows take 1.020 x the time.\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("  B, nccl_model: all_reduce nccl_model is 10.0 % faster at 1 MiB. "), std::string::npos) << text;
  EXPECT_NE(text.find("B: left out: 1 row of CPU threads"), std::string::npos) << text;
  EXPECT_EQ(text.find("host"), std::string::npos) << text;
  EXPECT_NE(text_of(a, a).find("B, simulator: no difference in 2 rows."), std::string::npos);
}

TEST(Compare, SeveralReportsStandBesideOneBaseline) {
  const auto a = report_of("a", {simulated("ring", MiB, 100)});
  const std::vector comparisons{compare(a, report_of("b", {simulated("ring", MiB, 110)})), compare(a, report_of("c", {simulated("ring", MiB, 90)}))};
  const auto text = to_text(comparisons);
  EXPECT_NE(text.find("all_reduce  1 MiB  ring       simulator  100.00  110.00  1.100  90.00  0.900\n"), std::string::npos) << text;
  EXPECT_NE(text.find("B, simulator: all_reduce ring is 10.0 % slower"), std::string::npos) << text;
  EXPECT_NE(text.find("C, simulator: all_reduce ring is 10.0 % faster"), std::string::npos) << text;
  ASSERT_EQ(slower_than(1.03, comparisons).size(), 1);
  EXPECT_TRUE(slower_than(1.03, comparisons)[0].starts_with("B, simulator: all_reduce ring"));
}

TEST(Compare, ReportsWithoutCommonRowsSaySo) {
  const auto text = text_of(Report{}, report_of("b", {simulated("ring", KiB, 1)}));
  EXPECT_NE(text.find("B: no row with a time is in both reports."), std::string::npos) << text;
}

TEST(Compare, ADevicesTimeWithoutRepeatsIsNotJudged) {
  const auto a = report_of("a", {on("cuda", Clock::device, KiB, {1})});
  const auto b = report_of("b", {on("cuda", Clock::device, KiB, {2})});
  const auto verdicts = compare(a, b).verdicts();
  ASSERT_EQ(verdicts.size(), 1);
  EXPECT_EQ(verdicts[0].unjudged, 1);
  EXPECT_TRUE(verdicts[0].differences.empty());
  EXPECT_NE(text_of(a, b).find("not judged: 1 row without repeats"), std::string::npos);
}

// Welch's example by hand: logarithms 0, 0.1, 0.2 and 0.3, 0.5 have variances of the mean 0.01/3 and 0.02/2, freedoms 2 and 1.
TEST(LogRatio, IsWelchsStatisticOfTheLogarithms) {
  const auto times = [](const std::vector<double>& logs) {
    std::vector<Seconds> all;
    for (const auto each : logs) all.push_back(Seconds{std::exp(each)});
    return all;
  };
  const auto ratio = comparing::log_ratio(times({0, 0.1, 0.2}), times({0.3, 0.5}));
  ASSERT_TRUE(ratio);
  EXPECT_NEAR(ratio->mean, 0.3, 1e-12);
  EXPECT_NEAR(ratio->variance, 0.01 / 3 + 0.01, 1e-12);
  EXPECT_NEAR(ratio->freedom, std::pow(0.01 / 3 + 0.01, 2) / (std::pow(0.01 / 3, 2) / 2 + std::pow(0.01, 2)), 1e-9);
}

// 0, 0.1, 0.2, 0.3 and a disturbed 9: the mean of the middle three is 0.2; 0.1, 0.1, 0.2, 0.3, 0.3 have a sum of squares of 0.04, over 3 * 2.
TEST(LogRatio, OneDisturbedRepeatOfFiveChangesNothing) {
  std::vector<Seconds> disturbed;
  for (const auto each : {0.1, 9.0, 0.3, 0.0, 0.2}) disturbed.push_back(Seconds{std::exp(each)});
  const auto ratio = comparing::log_ratio(disturbed, disturbed);
  ASSERT_TRUE(ratio);
  EXPECT_NEAR(ratio->variance, 2 * 0.04 / 6, 1e-12);
  EXPECT_NEAR(ratio->freedom, 4, 1e-9);
  const std::vector<Seconds> steady(5, Seconds{1});
  EXPECT_NEAR(comparing::log_ratio(steady, disturbed)->mean, 0.2, 1e-12);
}

// Student's t of 10 degrees of freedom: 2.228 has 2.5 % above it.
TEST(LogRatio, TheIntervalIsStudents) {
  const comparing::LogRatio ratio{0, 1e-4, 10};
  EXPECT_NEAR(std::log(*comparing::time_ratio(ratio).high), 0.02228, 1e-5);
  EXPECT_NEAR(comparing::p_beyond({0.02228, 1e-4, 10}, 0), 0.05, 1e-4);
  EXPECT_NEAR(comparing::least_statistic(0.05), 1.95996, 1e-4);
}

}  // namespace
}  // namespace p2plab::compare_test
