// SPDX-License-Identifier: Apache-2.0
// Benchmarks on the host executor: sizes, counts and factors are nccl-tests' own.
#include <gtest/gtest.h>

#include "p2plab/experiment/bench.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/presets.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab::bench_test {
namespace {

BenchReport run_bench(int ranks, const BenchOptions& options) {
  const Evaluator evaluator(*make_preset("full-mesh", {{"gpus", std::to_string(ranks)}}));
  const auto executors = builtin_executors();
  auto report = bench(evaluator, *executors.find("host")->make(), "host", options, {});
  EXPECT_TRUE(report) << describe(report.error());
  return *std::move(report);
}

BenchOptions quick(CollectiveKind kind) {
  return {.collective = kind,
          .algorithm = {kind == CollectiveKind::all_to_all ? "pairwise" : "one_shot"},
          .from = 1_KiB,
          .to = 16_KiB,
          .factor = 4,
          .iterations = 2};
}

TEST(Bench, EverySizeHasATimeAndRightDataOutOfPlaceAndInPlace) {
  for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::broadcast}) {
    const auto report = run_bench(4, quick(kind));
    ASSERT_EQ(report.rows.size(), 3U);  // 1, 4, 16 KiB
    for (const auto& row : report.rows) {
      for (const auto* side : {&row.out_of_place, &row.in_place}) {
        ASSERT_TRUE(side->time) << to_string(kind) << (side->error ? describe(*side->error) : "");
        ASSERT_TRUE(side->check);
        EXPECT_TRUE(side->check->passed) << side->check->first_wrong;
        EXPECT_GT(side->check->elements, 0);
      }
    }
    EXPECT_EQ(report.wrong(), 0);
    EXPECT_EQ(report.clock, Clock::host);
  }
}

TEST(Bench, AllToAllHasNoTimeInPlaceAndSaysWhy) {
  const auto report = run_bench(3, quick(CollectiveKind::all_to_all));
  for (const auto& row : report.rows) EXPECT_TRUE(row.out_of_place.time);
}

TEST(Bench, CountsAndBandwidthsFollowNcclTests) {
  BenchRow row{.collective = CollectiveKind::all_reduce, .ranks = 4, .payload = {.elements = 1000, .type = DataType::float32}};
  row.out_of_place.time = Seconds{4e-6};
  EXPECT_EQ(row.count(), 1000);
  EXPECT_DOUBLE_EQ(*row.algbw_gbps(row.out_of_place), 1.0);  // 4000 B in 4 us
  EXPECT_DOUBLE_EQ(*row.busbw_gbps(row.out_of_place), 1.5);  // 2 (n - 1) / n
  row.collective = CollectiveKind::all_gather;
  EXPECT_EQ(row.count(), 250);
  EXPECT_DOUBLE_EQ(*row.busbw_gbps(row.out_of_place), 0.75);
  EXPECT_FALSE(row.busbw_gbps(row.in_place));
}

TEST(Bench, SizesAreRoundedDownToEqualBlocksOfWholeElements) {
  auto options = quick(CollectiveKind::all_gather);
  options.from = options.to = Bytes{1001};
  EXPECT_EQ(run_bench(3, options).rows.front().payload.elements, 249);  // 250 floats, 83 for each of 3
}

TEST(Bench, AStepAddsWhereAFactorMultiplies) {
  auto options = quick(CollectiveKind::all_reduce);
  options.from = 1_KiB;
  options.to = 4_KiB;
  options.step = Bytes{1536};
  const auto report = run_bench(2, options);
  ASSERT_EQ(report.rows.size(), 3U);
  EXPECT_EQ(report.rows[2].payload.size(), Bytes{1024 + 2 * 1536});
}

TEST(Bench, OptionsThatCannotBeAreRefused) {
  const auto refused = [](BenchOptions options) {
    const Evaluator evaluator(*make_preset("full-mesh", {{"gpus", "2"}}));
    const auto executors = builtin_executors();
    return !bench(evaluator, *executors.find("host")->make(), "host", options, {});
  };
  EXPECT_TRUE(refused({.from = 2_KiB, .to = 1_KiB}));
  EXPECT_TRUE(refused({.from = 1_KiB, .to = 2_KiB, .factor = 1}));
  EXPECT_TRUE(refused({.from = Bytes{0}, .to = 2_KiB}));
  EXPECT_TRUE(refused({.from = 1_KiB, .to = 2_KiB, .step = Bytes{0}}));
  EXPECT_TRUE(refused({.iterations = 0}));
  EXPECT_TRUE(refused({.blocking = true, .graphs = 1}));
}

TEST(BenchWords, SizesAreThoseOfNcclTestsOrOurs) {
  EXPECT_EQ(*parse_bench_size("8"), Bytes{8});
  EXPECT_EQ(*parse_bench_size("1K"), 1_KiB);
  EXPECT_EQ(*parse_bench_size("128m"), 128_MiB);
  EXPECT_EQ(*parse_bench_size("2G"), 2_GiB);
  EXPECT_EQ(*parse_bench_size("64 MiB"), 64_MiB);
  for (const char* wrong : {"", "K", "-1", "1X", "99999999999999999999", "8E", "1.5.2"}) {
    const auto size = parse_bench_size(wrong);
    ASSERT_FALSE(size) << wrong;
    EXPECT_EQ(size.error().code, ErrorCode::usage);
  }
}

TEST(BenchWords, TypesAndOperationsGoByTheirNamesOrOurs) {
  EXPECT_EQ(*parse_bench_types("half,float,bfloat16"), (std::vector{DataType::float16, DataType::float32, DataType::bfloat16}));
  EXPECT_EQ(parse_bench_types("all")->size(), all_data_types().size());
  EXPECT_EQ(*parse_bench_ops("prod"), std::vector{ReduceOp::product});
  EXPECT_FALSE(parse_bench_types("halff"));
  EXPECT_FALSE(parse_bench_ops("sum,"));
}

TEST(BenchText, ALineHasNcclTestsColumns) {
  BenchRow row{
      .collective = CollectiveKind::all_reduce, .ranks = 4, .payload = {.elements = 256, .type = DataType::float32}, .algorithm = "ring, simple"};
  row.out_of_place = {.time = Seconds{11.886e-6}, .check = DataCheck{.passed = true}};
  row.in_place = {.error = Error{ErrorCode::unsupported, "no"}};
  EXPECT_EQ(bench_line(row),
            "        1024           256     float     sum      -1    11.89    0.09    0.13      0      N/A     N/A     N/A    N/A  ring, simple\n#   "
            "in place: no\n");
}

TEST(Bench, SaysThatDataIsRightOnlyWhereItWasLookedAt) {
  const auto report = run_bench(2, quick(CollectiveKind::all_reduce));
  EXPECT_NE(bench_footer(report).find("Out of bounds values : 0 OK"), std::string::npos);
  auto nothing_ran = report;
  for (auto& row : nothing_ran.rows) row.out_of_place = row.in_place = {.error = Error{ErrorCode::device_failure, "rank 1 was killed"}};
  EXPECT_NE(bench_footer(nothing_ran).find("Out of bounds values : none were looked for"), std::string::npos);
  EXPECT_NE(to_json(nothing_ran).find("\"okay\": null"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::bench_test
