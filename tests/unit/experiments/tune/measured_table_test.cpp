// SPDX-License-Identifier: Apache-2.0
// Tables that were measured: the fastest of the timed plans is taken, NCCL where it is over 3 % faster, and all of it is in the file.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "p2plab/run/builtin_executors.h"
#include "p2plab/simulator/profile.h"

namespace p2plab::measured_table_test {
namespace {

// Gives each planner the time that the test wants; says what it was asked.
class Scripted final : public Executor {
 public:
  explicit Scripted(std::map<std::string, double> microseconds) : times_(std::move(microseconds)) {}
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    const auto& planner = job.plan->planner;
    asked.push_back(planner);
    if (refused == planner) return Error{ErrorCode::unsupported, "as the test wants it"};
    const auto found = times_.find(planner);
    const double us = found == times_.end() ? times_.at("") : found->second;
    Measurement measured{.executor = "scripted", .clock = Clock::device, .notes = {"scripted 1.0"}};
    measured.samples.assign(static_cast<std::size_t>(options.repeats), Seconds{us * 1e-6});
    if (options.check) measured.check = DataCheck{.passed = wrong != planner, .elements = 8, .wrong = wrong == planner ? 1 : 0};
    return measured;
  }
  mutable std::vector<std::string> asked;
  std::string refused;
  std::string wrong;

 private:
  std::map<std::string, double> times_;
};

const std::vector<Bytes> three_sizes = {Bytes{4096}, Bytes{1 << 20}, Bytes{1 << 26}};

Result<TunedTable> measured_with(const Executor* ours, const Executor* nccl, std::vector<Bytes> sizes = three_sizes) {
  const auto topology = resolve_topology("hgx-h200:gpus=4");
  expects(static_cast<bool>(topology));
  SilentProgress progress;
  TuneOptions options{.sizes = std::move(sizes)};
  options.measuring = TuneMeasuring{.ours = ours, .nccl = nccl, .on = {.executor = "scripted", .gpus = {"G", "G", "H"}, .version = "1", .date = "d"}};
  return tune(Evaluator(*topology), make_collective(CollectiveKind::all_reduce, 4), options, progress);
}

// Which planners the prediction would take, and those that it weighs next.
std::string predicted_at(Bytes size) {
  const Scripted same({{"", 5}});
  const auto table = measured_with(&same, nullptr, {size});
  expects(static_cast<bool>(table));
  return table->bands.front().algorithm.name;
}

TEST(MeasuredTable, PlansThatAreAlikeLeaveTheChoiceToThePrediction) {
  const auto topology = resolve_topology("hgx-h200:gpus=4");
  SilentProgress progress;
  const Scripted same({{"", 5}});
  const auto measured = measured_with(&same, nullptr);
  const auto predicted = tune(Evaluator(*topology), make_collective(CollectiveKind::all_reduce, 4), {.sizes = three_sizes}, progress);
  ASSERT_TRUE(measured && predicted);
  ASSERT_EQ(measured->bands.size(), predicted->bands.size());
  for (std::size_t b = 0; b < measured->bands.size(); ++b) {
    EXPECT_EQ(measured->bands[b].algorithm.name, predicted->bands[b].algorithm.name);
    for (const auto& size : measured->bands[b].sizes) {
      ASSERT_TRUE(size.measured);
      EXPECT_EQ(size.measured->regret, 0);
      EXPECT_GT(size.measured->plans, 1);
      EXPECT_FALSE(size.by_nccl());
    }
  }
}

TEST(MeasuredTable, TheFastestIsTakenAndTheRegretIsWhatThePredictionWouldHaveCost) {
  const auto first = predicted_at(Bytes{1 << 20});
  const Scripted slow_first({{first, 8}, {"", 5}});
  const auto table = measured_with(&slow_first, nullptr, {Bytes{1 << 20}});
  ASSERT_TRUE(table) << describe(table.error());
  EXPECT_NE(table->bands.front().algorithm.name, first);
  const auto& size = table->bands.front().sizes.front();
  EXPECT_NEAR(size.measured->regret, 0.6, 1e-9);
  EXPECT_NEAR(size.measured->time.count(), 5e-6, 1e-15);
  EXPECT_NE(table->bands.front().reason.find("predicted fastest, took 8.00 us"), std::string::npos) << table->bands.front().reason;
}

TEST(MeasuredTable, NcclServesWhereOursTakesOverThreePercentLonger) {
  const Scripted ours({{"", 10.3}});
  for (const auto& [nccl_us, by_nccl] : {std::pair{9.9, true}, {10.1, false}, {20.0, false}}) {
    const Scripted nccl({{"", nccl_us}});
    const auto table = measured_with(&ours, &nccl);
    ASSERT_TRUE(table);
    for (const auto& band : table->bands) {
      for (const auto& size : band.sizes) {
        EXPECT_EQ(size.by_nccl(), by_nccl) << nccl_us;
        EXPECT_NEAR(size.measured->nccl->count(), nccl_us * 1e-6, 1e-15);
      }
    }
    EXPECT_EQ(to_text(*table).find("  nccl\n") != std::string::npos, by_nccl) << to_text(*table);
  }
}

// Between two GPUs a ring, two-shot and the forest are one program by other names; timed together they would leave out one_shot.
TEST(MeasuredTable, PlansThatTheModelCannotTellApartAreTimedOnce) {
  const auto topology = resolve_topology("hgx-h200:gpus=2");
  const auto profile = load_profile("h200");
  ASSERT_TRUE(topology && profile);
  SilentProgress progress;
  const Scripted ours({{"", 5}});
  TuneOptions options{.sizes = {Bytes{512 << 10}}, .dtype = DataType::float16};
  options.measuring = TuneMeasuring{.ours = &ours, .on = {.executor = "scripted", .gpus = {"G", "G"}, .version = "1", .date = "d"}};
  ASSERT_TRUE(tune(Evaluator(*topology, *profile, {.forms = PlanForms::gpu}), make_collective(CollectiveKind::all_reduce, 2), options, progress));
  const std::set<std::string> timed(ours.asked.begin(), ours.asked.end());
  EXPECT_TRUE(timed.contains("one_shot"));
  EXPECT_EQ(timed.contains("ring") + timed.contains("two_shot") + timed.contains("forest"), 1);
}

TEST(MeasuredTable, TurnsGoRoundForwardsAndBackwards) {
  const Scripted ours({{"", 5}});
  const auto table = measured_with(&ours, nullptr, {Bytes{1 << 20}});
  ASSERT_TRUE(table);
  const auto plans = static_cast<std::size_t>(table->bands.front().sizes.front().measured->plans);
  ASSERT_EQ(ours.asked.size(), plans * 5);
  for (std::size_t i = 0; i < plans; ++i) EXPECT_EQ(ours.asked[i], ours.asked[2 * plans - 1 - i]);
}

TEST(MeasuredTable, WhatDoesNotRunIsLeftOutAloudAndWrongDataEndsIt) {
  Scripted ours({{"", 5}});
  ours.refused = predicted_at(Bytes{1 << 20});
  Scripted nccl({{"", 7}});
  nccl.refused = ours.refused;  // NCCL is given the plan predicted fastest
  const auto table = measured_with(&ours, &nccl, {Bytes{1 << 20}});
  ASSERT_TRUE(table) << describe(table.error());
  EXPECT_NE(table->bands.front().algorithm.name, ours.refused);
  EXPECT_FALSE(table->bands.front().sizes.front().measured->nccl);
  const auto text = to_text(*table);
  EXPECT_NE(text.find(ours.refused + " was not timed: as the test wants it"), std::string::npos) << text;
  EXPECT_NE(text.find("NCCL was not timed: as the test wants it"), std::string::npos) << text;
  EXPECT_NE(text.find("2 x G, H"), std::string::npos) << text;
  ours.wrong = predicted_at(Bytes{1 << 20});
  ours.refused.clear();
  const auto wrong = measured_with(&ours, nullptr, {Bytes{1 << 20}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::verification_failed);
}

TEST(MeasuredTable, AFileKeepsWhatWasMeasuredAndIsRefusedWhereItContradictsItself) {
  const Scripted ours({{"", 10}});
  const Scripted nccl({{"", 9}});
  const auto table = measured_with(&ours, &nccl);
  ASSERT_TRUE(table);
  for (const auto write : {write_tuned_yaml, write_tuned_json}) {
    const auto text = write(*table);
    ASSERT_TRUE(text);
    const auto back = read_tuned(*text, "tuned");
    ASSERT_TRUE(back) << describe(back.error());
    EXPECT_EQ(to_text(*back), to_text(*table));
    EXPECT_EQ(*write(*back), *text);
    auto other = *text;
    const auto use = other.find("\"nccl\"", other.find("\"use\""));
    ASSERT_NE(use, std::string::npos);
    const auto read = read_tuned(other.replace(use, 6, "\"p2plab\""), "tuned");
    ASSERT_FALSE(read);
    EXPECT_NE(describe(read.error()).find("by the times it would be the other"), std::string::npos) << describe(read.error());
  }
}

// However much of the end is missing, by lines as an editor or a full disk leaves them.
TEST(MeasuredTable, AFileThatIsNotWholeIsRefused) {
  const Scripted ours({{"", 10}});
  const auto table = measured_with(&ours, nullptr);
  ASSERT_TRUE(table);
  for (const auto write : {write_tuned_yaml, write_tuned_json}) {
    const auto text = *write(*table);
    for (std::size_t end = text.rfind('\n', text.size() - 2); end != std::string::npos && end > 0; end = text.rfind('\n', end - 1)) {
      const auto read = read_tuned(text.substr(0, end + 1), "tuned");
      EXPECT_FALSE(read) << text.substr(0, end).substr(text.rfind('\n', end - 1) + 1, 80);
    }
  }
}

// No GPU is needed to time plans: CPU threads stand for them.
TEST(MeasuredTable, TheHostExecutorTimesPlansOfRealData) {
  const auto executors = builtin_executors();
  const auto host = executors.find("host")->make();
  const auto table = measured_with(host.get(), nullptr, {Bytes{4096}, Bytes{1 << 16}});
  ASSERT_TRUE(table) << describe(table.error());
  for (const auto& band : table->bands) {
    for (const auto& size : band.sizes) EXPECT_GT(size.measured->time, Seconds{0});
  }
}

}  // namespace
}  // namespace p2plab::measured_table_test
