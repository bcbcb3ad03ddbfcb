// SPDX-License-Identifier: Apache-2.0
// A run that is told to stop keeps what it has finished and says what is missing.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gtest/gtest.h>

#include "p2plab/experiment/run.h"
#include "support/scratch.h"

namespace p2plab {
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

// Answers false `count` times, then true.
std::function<bool()> stop_after(int count) {
  return [left = std::make_shared<int>(count)] { return (*left)-- <= 0; };
}

TEST(Interrupt, NothingIsInterruptedThatIsNotStopped) {
  SilentProgress silent;
  const auto report = run(experiment(), silent, stop_after(1000));
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->interrupted);
  EXPECT_TRUE(status_of(*report));
  EXPECT_EQ(rows_of(*report, "simulator"), 6);  // 2 algorithms x 3 sizes
  EXPECT_EQ(rows_of(*report, "host"), 6);
}

TEST(Interrupt, RowsFinishedBeforeTheStopStayAndTheRestIsCounted) {
  SilentProgress silent;
  const auto report = run(experiment(), silent, stop_after(6 + 2));  // all plans, then two rows
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
  SilentProgress silent;
  const auto report = run(experiment(), silent, stop_after(2));
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->interrupted);
  EXPECT_EQ(rows_of(*report, "simulator"), 2);
  EXPECT_EQ(rows_of(*report, "host"), 0);
  EXPECT_NE(to_json(*report).find("interrupted"), std::string::npos);
}

}  // namespace
}  // namespace p2plab
