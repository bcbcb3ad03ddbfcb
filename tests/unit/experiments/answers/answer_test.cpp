// SPDX-License-Identifier: Apache-2.0
// Each kind of question, answered from rows whose figures can be checked by hand.
#include <algorithm>

#include <gtest/gtest.h>

#include "p2plab/experiment/question.h"
#include "p2plab/machine/presets.h"

namespace p2plab::answer_test {
namespace {

constexpr Bytes KiB{1 << 10};
constexpr Bytes MiB{1 << 20};

Seconds us(double value) { return Seconds{value * 1e-6}; }

// A prediction with the interval that the profile's lowest and highest numbers give.
Row predicted(const std::string& algorithm, Bytes size, double time, std::optional<Interval> interval = std::nullopt) {
  Row row;
  row.algorithm = algorithm;
  row.ranks = 4;
  row.dtype = "float16";
  row.size = size;
  row.prediction = Prediction{us(time), interval};
  row.measurement = {.executor = "simulator", .samples = {us(time)}};
  row.verified = true;
  return row;
}

Row measured(const std::string& algorithm, const std::string& executor, Bytes size, double time, std::optional<double> prediction) {
  auto row = predicted(algorithm, size, prediction.value_or(0));
  if (!prediction) row.prediction.reset();
  row.measurement = {.executor = executor, .clock = Clock::device, .samples = {us(time)}};
  return row;
}

Interval between(double low, double high) { return {us(low), us(high)}; }

std::vector<std::string> sentences(const RunQuestion& question, std::vector<Row> rows, std::vector<Row> other = {},
                                   std::vector<std::string> masked = {}) {
  mark_winners(rows);
  mark_winners(other);
  return answer(question, {"server", std::move(masked), rows, other}).sentences;
}

using Sentences = std::vector<std::string>;

// 20 us are 4 times a bound of 5 us, 110 us 1.1 times one of 100 us.
TEST(Fastest, NamesTheWinnerOfEachSizeItsTimeAndTheBound) {
  std::vector rows{predicted("one_shot", KiB, 20, between(18, 22)), predicted("ring", KiB, 50, between(45, 55)),
                   predicted("one_shot", MiB, 300, between(280, 310)), predicted("ring", MiB, 110, between(105, 120))};
  for (auto& row : rows) row.bound = us(row.size == KiB ? 5 : 100);
  EXPECT_EQ(
      sentences({QuestionKind::fastest}, rows),
      (Sentences{"all_reduce: predicted fastest is one_shot at 1 KiB, ring at 1 MiB, 20.00 us (18.00 to 22.00 us) at 1 KiB and 110.00 us (105.00 "
                 "to 120.00 us) at 1 MiB; it takes 4.00x the least time that any algorithm needs at 1 KiB, 1.10x at 1 MiB."}));
}

// Both predictions come from one profile: with its lowest numbers 9.9 us beside 9 us, with its highest 10.9 beside 11.
TEST(Fastest, SaysWhereTheLeadIsSmallerThanItsInterval) {
  const std::vector rows{predicted("one_shot", KiB, 10, between(9, 11)), predicted("two_shot", KiB, 10.5, between(9.9, 10.9)),
                         predicted("one_shot", MiB, 10, between(9, 11)), predicted("two_shot", MiB, 10.5, between(9.9, 11.55))};
  const auto found = sentences({QuestionKind::fastest}, rows);
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[1], "all_reduce: the lead is smaller than the prediction's interval at 1 KiB: two_shot is 5.0 % (-0.9 to 10.0 %) behind at 1 KiB.");
}

TEST(Crossover, NamesTheSizeFromWhichOneIsFasterAndByHowMuch) {
  const std::vector rows{predicted("ring", KiB, 10),
                         predicted("hierarchical", KiB, 20),
                         predicted("ring", 2 * KiB, 30, between(27, 33)),
                         predicted("hierarchical", 2 * KiB, 20, between(19, 21)),
                         predicted("ring", MiB, 300),
                         predicted("hierarchical", MiB, 100)};
  EXPECT_EQ(sentences({QuestionKind::crossover, "hierarchical", "ring"}, rows),
            (Sentences{"all_reduce: hierarchical is faster than ring from 2 KiB on: 1.50x (1.42 to 1.57x) at 2 KiB, 3.00x at 1 MiB."}));
  EXPECT_EQ(sentences({QuestionKind::crossover, "ring", "hierarchical"}, rows),
            (Sentences{"all_reduce: ring is faster than hierarchical at 1 KiB: 2.00x at 1 KiB."}));
}

TEST(Crossover, SaysThatOneIsNowhereFasterAndWhereTheOrderIsOpen) {
  const std::vector rows{predicted("ring", KiB, 10, between(9, 11)), predicted("tree", KiB, 10.2, between(10, 10.8)), predicted("ring", MiB, 10),
                         predicted("tree", MiB, 20)};
  EXPECT_EQ(sentences({QuestionKind::crossover, "tree", "ring"}, rows),
            (Sentences{"all_reduce: tree is nowhere faster than ring: 0.98x (0.90 to 1.02x) at 1 KiB, 0.50x at 1 MiB.",
                       "all_reduce: between the two the lead is smaller than the prediction's interval at 1 KiB."}));
}

TEST(AgainstNccl, HoldsWhatWasMeasuredBesideWhatWasMeasured) {
  const std::vector rows{measured("one_shot", "cuda", KiB, 2, 1),  measured("ring", "cuda", KiB, 4, 3),      measured("ring", "nccl", KiB, 10, {}),
                         measured("ring", "cuda", 4 * KiB, 10, 9), measured("ring", "nccl", 4 * KiB, 9, {}), measured("ring", "cuda", MiB, 100, 99),
                         measured("ring", "nccl", MiB, 105, {})};
  EXPECT_EQ(sentences({QuestionKind::against_nccl}, rows),
            (Sentences{"all_reduce: measured on GPUs, the best plan is 5.00x as fast as NCCL at 1 KiB, 1.05x at 1 MiB, least 0.90x at 4 KiB."}));
}

TEST(AgainstNccl, SaysThatItIsAFormulaWhereNcclDidNotRun) {
  auto formula = predicted("nccl_model", KiB, 12);
  formula.measurement.executor = "nccl_model";
  EXPECT_EQ(
      sentences({QuestionKind::against_nccl}, {predicted("ring", KiB, 4), formula}),
      (Sentences{
          "all_reduce: the best plan is predicted to be 3.00x as fast as NCCL's own formula says of NCCL at 1 KiB (NCCL itself did not run)."}));
}

// One lane of twelve: 12/11 of the time where bandwidth decides, nothing where latency does.
TEST(Cost, IsNothingWhereItIsBelowOnePercentAndNamesTheChangeOfTheBest) {
  const std::vector whole{predicted("one_shot", KiB, 2), predicted("ring", KiB, 9), predicted("one_shot", MiB, 130), predicted("ring", MiB, 110)};
  const std::vector now{predicted("one_shot", KiB, 2.01), predicted("ring", KiB, 9), predicted("one_shot", MiB, 118), predicted("ring", MiB, 120)};
  EXPECT_EQ(sentences({QuestionKind::cost}, now, whole, {"a lane of gpu3"}),
            (Sentences{"all_reduce: what is missing (a lane of gpu3) costs 7.3 % at 1 MiB, less than 1 % at 1 KiB.",
                       "all_reduce: at the largest size it costs one_shot -9.2 %, ring 9.1 %; another algorithm is best at 1 MiB (at 1 MiB one_shot, "
                       "without the loss ring)."}));
  EXPECT_EQ(sentences({QuestionKind::cost}, whole, whole, {"gpu7"}).front(), "all_reduce: what is missing (gpu7) costs less than 1 % at every size.");
}

TEST(CompareMachines, SaysHowManyTimesTheBestTakesHere) {
  const auto there = make_preset("hgx-h200", {{"gpus", "8"}});
  ASSERT_TRUE(there);
  RunQuestion question{QuestionKind::compare_machines};
  question.other = *there;
  EXPECT_EQ(
      sentences(question, {predicted("ring", KiB, 30, between(24, 36)), predicted("ring", MiB, 90)},
                {predicted("ring", KiB, 10, between(8, 12)), predicted("tree", MiB, 60)}),
      (Sentences{"all_reduce: the best plan on server (4 GPUs) takes 3.00x the time of the best on hgx-h200 (4 GPUs) at 1 KiB, 1.50x at 1 MiB."}));
}

// Errors of -10 %, +5 % and 0 %: 5 % in the mean.
TEST(PredictionError, IsTheMeanAndTheWorstBesideTheDeviceClock) {
  std::vector rows{measured("ring", "cuda", KiB, 10, 9), measured("ring", "cuda", MiB, 100, 105), measured("tree", "cuda", MiB, 50, 50)};
  rows[1].prediction->interval = between(99, 110);
  rows[2].prediction->interval = between(51, 52);
  EXPECT_EQ(
      sentences({QuestionKind::prediction_error}, rows),
      (Sentences{"all_reduce: predictions are within 5.0 % of what the GPUs measured in the mean of 3 rows, worst ring at 1 KiB (-10.0 %); 1 of 2 "
                 "measurements lie within the prediction's interval."}));
}

TEST(Answer, IsDrawnForEachCollectiveAndNeverFromCpuThreads) {
  auto gather = predicted("ring", KiB, 3);
  gather.collective = CollectiveKind::all_gather;
  auto host = predicted("tree", KiB, 1);
  host.measurement = {.executor = "host", .clock = Clock::host, .samples = {us(0.1)}};
  const auto found = sentences({QuestionKind::fastest}, {predicted("ring", KiB, 5), gather, host});
  EXPECT_EQ(found, (Sentences{"all_reduce: predicted fastest is ring at 1 KiB, 5.00 us at 1 KiB.",
                              "all_gather: predicted fastest is ring at 1 KiB, 3.00 us at 1 KiB."}));
}

TEST(Answer, SaysWhyThereIsNone) {
  const std::vector rows{predicted("ring", KiB, 5)};
  for (const auto kind : {QuestionKind::crossover, QuestionKind::against_nccl, QuestionKind::cost, QuestionKind::prediction_error}) {
    const auto none = answer({kind, "tree", "ring"}, {"server", {}, rows, {}});
    EXPECT_FALSE(none.answered);
    ASSERT_EQ(none.sentences.size(), 1);
    EXPECT_TRUE(none.sentences[0].starts_with("No answer to '" + std::string(to_string(kind)) + "': ")) << none.sentences[0];
  }
}

}  // namespace
}  // namespace p2plab::answer_test
