// SPDX-License-Identifier: Apache-2.0
// What libp2plab records of calls. A process has one record, begun with its first communicator, so other tests' calls are made once more in a process
// of their own, which records them.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/run/monitor.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::recorded_calls_test {
namespace {

RecordedProcess record_of(const std::string& test) {
  const auto records = test::scratch("records").parent_path();
  const auto run = test::ran(fmt::format("P2PLAB_MONITOR=basic P2PLAB_MONITOR_DIR={} {} --gtest_filter={}", records.string(),
                                         std::filesystem::read_symlink("/proc/self/exe").string(), test));
  EXPECT_EQ(run.code, 0) << run.text;
  const auto files = record_files(records.string());
  EXPECT_TRUE(files && files->size() == 1);
  if (!files || files->size() != 1) return {};
  auto process = read_records(files->front());
  EXPECT_TRUE(process) << process.error().message;
  return process ? *std::move(process) : RecordedProcess{};
}

TEST(RecordedCalls, NameTheFormOfFusedOnes) {
  const auto process = record_of("FusedCalls.GiveEveryRankItsSumNormAndFloat8");
  EXPECT_EQ(process.state, ProcessState::ended);
  EXPECT_EQ(process.calls.size(), (1 + 2 + 3 + 4 + 8) * 8U);
  for (const auto& call : process.calls) {
    EXPECT_EQ(backend_word(call.backend), "p2p");
    EXPECT_EQ(call.progress, CallProgress::queued);
    if (process.sides.at(call.side).ranks == 1) {
      EXPECT_EQ(process.name_of(call.algorithm), "rows");
      continue;
    }
    EXPECT_FALSE(process.name_of(call.algorithm).empty());
    EXPECT_FALSE(process.name_of(call.protocol).empty());
    EXPECT_GT(call.blocks, 0);
  }
}

TEST(RecordedCalls, ArePredictedByProgramsOfTheirOwnSizeOnly) {
  const auto process = record_of("TunedTablesInTheRuntime.SizesThatAreNcclsAreLeftToTheCaller");
  int longer = 0;
  int own = 0;
  for (const auto& call : process.calls) {
    if (call.progress != CallProgress::queued) continue;
    EXPECT_FALSE(process.name_of(call.algorithm).empty());
    longer += call.count == 1000 ? 1 : 0;
    const bool known = call.count != 1000;  // of which the table says nothing: a longer program serves it
    own += known ? 1 : 0;
    EXPECT_NEAR(call.predicted.count(), known ? 10e-6 : 0, 1e-9) << call.count;  // as the table measured
    EXPECT_NEAR(call.low.count(), known ? 7.5e-6 : 0, 1e-9) << call.count;
    EXPECT_NEAR(call.high.count(), known ? 12.5e-6 : 0, 1e-9) << call.count;
  }
  EXPECT_EQ(longer, 2);
  EXPECT_EQ(own, 4);
}

}  // namespace
}  // namespace p2plab::recorded_calls_test
