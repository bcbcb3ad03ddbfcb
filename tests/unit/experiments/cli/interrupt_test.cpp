// SPDX-License-Identifier: Apache-2.0
// A run that is told to stop keeps what it has finished and says what is missing.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gtest/gtest.h>

#include "p2plab/experiment/run.h"
#include "support/scratch.h"

namespace p2plab::interrupt_test {
namespace {

Experiment experiment() {
  const auto path = test::scratch("interrupt_test.yaml").string();
  std::ofstream(path) << "version: 1\ntopology: {preset: hgx-h200, gpus: 3}\ncollectives: [all_reduce]\nalgorithms: [one_shot, ring]\n"
                         "sizes: [1 KiB, 4 KiB, 16 KiB]\nexecutors: [simulator, host]\n";
  auto loaded = load_experiment(path);
  EXPECT_TRUE(loaded) << describe(loaded.error());
  return *std::move(loaded);
}

std::ptrdiff_t rows_of(const Report& report, const std::string& executor) { return std::ranges::count(report.rows, executor, &Row::executor); }

// Says to stop once so many units of work are done: the bound, then plans, then rows.
class Stopping final : public Progress {
 public:
  explicit Stopping(int units) : left_(units) {}
  void stage(std::string_view, std::int64_t) override {}
  void advance(std::string_view) override { --left_; }
  void note(std::string_view) override {}
  std::function<bool()> stop() {
    return [this] { return left_ <= 0; };
  }

 private:
  std::atomic<int> left_;
};

TEST(Interrupt, NothingIsInterruptedThatIsNotStopped) {
  Stopping progress(1000);
  const auto report = run(experiment(), progress, progress.stop());
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->interrupted);
  EXPECT_TRUE(status_of(*report));
  EXPECT_EQ(rows_of(*report, "simulator"), 6);  // 2 algorithms x 3 sizes
  EXPECT_EQ(rows_of(*report, "host"), 6);
}

TEST(Interrupt, RowsFinishedBeforeTheStopStayAndTheRestIsCounted) {
  Stopping progress(1 + 6 + 2);  // all plans, then two rows
  const auto report = run(experiment(), progress, progress.stop());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->interrupted);
  EXPECT_EQ(rows_of(*report, "simulator"), 6);
  EXPECT_EQ(rows_of(*report, "host"), 2);
  ASSERT_EQ(report->skipped.size(), 1U);
  EXPECT_EQ(report->skipped.front().what, "executor host: 4 of 6 rows");
  ASSERT_FALSE(status_of(*report));
  EXPECT_EQ(status_of(*report).error().code, ErrorCode::interrupted);
}

TEST(Interrupt, AStopDuringPlanningLeavesThePlansThatWereMade) {
  Stopping progress(1 + 2);
  const auto report = run(experiment(), progress, progress.stop());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->interrupted);
  // What other threads had just finished stays, too; what they were at does not.
  EXPECT_GE(rows_of(*report, "simulator"), 2);
  EXPECT_LT(rows_of(*report, "simulator"), 6);
  EXPECT_EQ(rows_of(*report, "host"), 0);
  EXPECT_NE(to_json(*report).find("interrupted"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::interrupt_test
