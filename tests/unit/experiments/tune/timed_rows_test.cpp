// SPDX-License-Identifier: Apache-2.0
// Rows behind an all-reduce: in its kernel or in one of their own, whichever was measured to be faster, and all of it is in the file.
#include <gtest/gtest.h>

#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab::timed_rows_test {
namespace {

// Rows in the same kernel cost 1 us each, apart 4 us whatever their number; no other executor knows.
class TimesRows final : public Executor {
 public:
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    double us = 5;
    if (const auto& epilogue = job.program->epilogue) {
      if (refuses) return Error{ErrorCode::unsupported, "no tensors"};
      us += options.rows_apart ? 4 : static_cast<double>(rows_of(*epilogue, job.program->payload));
      if (job.plan->planner == slow_with_rows) us += 100;
      seen.push_back(*epilogue);
    } else {
      EXPECT_FALSE(options.rows_apart);
    }
    Measurement measured{.executor = "scripted", .clock = Clock::device};
    measured.samples.assign(static_cast<std::size_t>(options.repeats), Seconds{us * 1e-6});
    return measured;
  }
  bool refuses = false;
  std::string slow_with_rows;
  mutable std::vector<Epilogue> seen;
};

constexpr std::int64_t hidden = 1024;  // a row of float16 has 2 KiB

Result<TunedTable> tuned_with(const Executor& executor, std::vector<Bytes> sizes, const std::optional<Epilogue>& rows = Epilogue{.hidden = hidden}) {
  const auto topology = resolve_topology("hgx-h200:gpus=2");
  expects(static_cast<bool>(topology));
  SilentProgress progress;
  TuneOptions options{.sizes = std::move(sizes)};
  options.measuring = TuneMeasuring{.ours = &executor, .on = {.executor = "scripted", .gpus = {"G"}, .version = "1", .date = "d"}};
  options.rows = rows;
  return tune(Evaluator(*topology), make_collective(CollectiveKind::all_reduce, 2), options, progress);
}

TEST(TimedRows, AreApartWhereThatIsFaster) {
  const TimesRows executor;
  const auto table = tuned_with(executor, {1_KiB, 4_KiB, 9_KiB, 64_KiB});
  ASSERT_TRUE(table) << describe(table.error());
  const auto at = [&](Bytes size) { return table->at(size); };
  EXPECT_EQ(at(1_KiB).rows->rows, 1);  // half of one
  EXPECT_EQ(at(4_KiB).rows->rows, 2);
  EXPECT_EQ(at(9_KiB).rows->rows, 5);  // 4.5
  EXPECT_EQ(at(64_KiB).rows->rows, 32);
  EXPECT_NEAR(at(4_KiB).rows->fused.count(), 7e-6, 1e-15);
  EXPECT_NEAR(at(64_KiB).rows->apart.count(), 9e-6, 1e-15);
  EXPECT_FALSE(at(1_KiB).rows_apart);
  EXPECT_FALSE(at(4_KiB).rows_apart);
  EXPECT_TRUE(at(9_KiB).rows_apart);
  EXPECT_TRUE(at(64_KiB).rows_apart);
  ASSERT_FALSE(executor.seen.empty());
  EXPECT_EQ(executor.seen.front(), Epilogue{.hidden = hidden});
  const auto text = to_text(*table);
  EXPECT_NE(text.find("float16, then add, rms_norm of 1024, profile"), std::string::npos) << text;
  EXPECT_NE(text.find("37.00      9.00       0.0  apart"), std::string::npos) << text;
  EXPECT_NEAR(at(64_KiB).measured->time.count(), 9e-6, 1e-15);
}

TEST(TimedRows, DecideWhichPlanIsTaken) {
  TimesRows executor;
  const auto first = tuned_with(executor, {4_KiB});
  ASSERT_TRUE(first);
  executor.slow_with_rows = first->bands.front().algorithm.name;
  const auto other = tuned_with(executor, {4_KiB});
  ASSERT_TRUE(other);
  EXPECT_NE(other->bands.front().algorithm.name, executor.slow_with_rows);
  EXPECT_NEAR(other->at(4_KiB).measured->regret, 100.0 / 7, 0.1);
}

TEST(TimedRows, ThatAreAlikeStayInTheSameKernel) {
  EXPECT_FALSE((MeasuredRows{.rows = 4, .fused = Seconds{9e-6}, .apart = Seconds{9e-6}}.are_better_apart()));
  EXPECT_FALSE((MeasuredRows{.rows = 4, .fused = Seconds{9e-6}, .apart = Seconds{8.95e-6}}.are_better_apart()));
  EXPECT_TRUE((MeasuredRows{.rows = 4, .fused = Seconds{9e-6}, .apart = Seconds{8.9e-6}}.are_better_apart()));
}

TEST(TimedRows, AreKeptInTheFileAndMayNotContradictIt) {
  const TimesRows executor;
  const auto table = tuned_with(executor, {4_KiB, 64_KiB});
  ASSERT_TRUE(table);
  for (const auto write : {write_tuned_yaml, write_tuned_json}) {
    const auto text = write(*table);
    ASSERT_TRUE(text);
    const auto back = read_tuned(*text, "tuned");
    ASSERT_TRUE(back) << describe(back.error());
    EXPECT_EQ(to_text(*back), to_text(*table));
    EXPECT_EQ(*write(*back), *text);
    auto other = *text;
    const auto place = other.find("\"apart\"");
    ASSERT_NE(place, std::string::npos);
    const auto read = read_tuned(other.replace(place, 7, "\"fused\""), "tuned");
    ASSERT_FALSE(read);
    EXPECT_NE(describe(read.error()).find("by the times it would be the other"), std::string::npos) << describe(read.error());
  }
}

TEST(TimedRows, ThatNoPlanCanHaveAreAnError) {
  TimesRows executor;
  executor.refuses = true;
  const auto table = tuned_with(executor, {4_KiB});
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().message, "no tensors");
  const auto plain = tuned_with(executor, {4_KiB}, std::nullopt);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->rows, "");
}

// On CPU threads, where every row is compared with one computed apart.
TEST(TimedRows, AreRealOnTheHostExecutor) {
  const auto executors = builtin_executors();
  const auto host = executors.find("host")->make();
  const auto table = tuned_with(*host, {4_KiB}, Epilogue{.hidden = 40, .norm = Norm::layer});
  ASSERT_TRUE(table) << describe(table.error());
  ASSERT_TRUE(table->at(4_KiB).rows) << to_text(*table);
  EXPECT_EQ(table->at(4_KiB).rows->rows, 51);
  EXPECT_GT(table->at(4_KiB).rows->fused, Seconds{0});
}

}  // namespace
}  // namespace p2plab::timed_rows_test
