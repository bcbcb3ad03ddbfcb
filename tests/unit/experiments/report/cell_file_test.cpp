// SPDX-License-Identifier: Apache-2.0
// A kept cell is the same to the last bit.
#include "folder/cell_file.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace p2plab::cell_file_test {
namespace {

TEST(CellFile, IsReadBackToTheLastBit) {
  Report report{.name = "a \"b\"", .provenance = {.version = "0.2.0", .seed = 0xffffffffffffffffU, .gpus = {"H200"}}, .interrupted = true};
  report.provenance.assumed = {{.what = "PCIe",
                                .value = "31.5 GB/s",
                                .origin = Origin::assumed,
                                .least = Bandwidth::bytes_per_second(7),
                                .most = Bandwidth::bytes_per_second(9)}};
  Row row;
  row.axes = {{"machine", "one"}, {"type", "half"}};
  row.collective = CollectiveKind::all_gather;
  row.size = Bytes{12345};
  row.prediction = Prediction{Seconds{1e-6 / 3}, Interval{Seconds{0.1 + 0.2}, Seconds{1}}};
  row.measurement = {.executor = "cuda",
                     .clock = Clock::device,
                     .samples = {Seconds{1e-5 / 7}, Seconds{2e-5 / 7}},
                     .check = DataCheck{.passed = false, .first_wrong = "x"}};
  row.rests_on = {"PCIe"};
  report.rows = {row, Row{}};
  report.skipped = {{"executor nccl", "not here"}};
  report.findings = {"one", "two"};
  report.attachments = {{"trace.json", "{}\n"}};
  report.views = {{row.axes, "{}"}};
  const auto text = to_cell_file(report);
  const auto back = from_cell_file(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(to_cell_file(*back), text);
  EXPECT_EQ(back->rows.front().prediction->time.count(), 1e-6 / 3);
  EXPECT_EQ(back->rows.front().interval()->low.count(), 0.1 + 0.2);
  EXPECT_EQ(back->rows.front().measurement.samples.back().count(), 2e-5 / 7);
  EXPECT_EQ(to_json(*back), to_json(report));
  EXPECT_EQ(to_html(*back), to_html(report));
  EXPECT_TRUE(back->interrupted);
}

TEST(CellFile, NumbersThatAreNotFiniteAreReadBack) {
  constexpr auto infinite = std::numeric_limits<double>::infinity();
  Row row;
  row.measurement.samples = {Seconds{std::nan("")}, Seconds{-infinite}};
  row.measurement.check = DataCheck{.passed = false, .worst_error = infinite};
  const auto back = from_cell_file(to_cell_file(Report{.name = "a", .rows = {row}}));
  ASSERT_TRUE(back);
  const auto& measurement = back->rows.front().measurement;
  EXPECT_EQ(measurement.check->worst_error, infinite);
  EXPECT_TRUE(std::isnan(measurement.samples.front().count()));
  EXPECT_EQ(measurement.samples.back().count(), -infinite);
}

TEST(CellFile, WhatIsNoWholeCellIsNone) {
  const auto whole = to_cell_file(Report{.name = "a"});
  EXPECT_TRUE(from_cell_file(whole));
  for (const auto& text : {std::string{}, whole.substr(0, whole.size() / 2), std::string{R"({"p2plab_cell":2,"report":{}})"},
                           std::string{R"({"p2plab_cell":1,"report":{}})"}})
    EXPECT_FALSE(from_cell_file(text)) << text;
}

}  // namespace
}  // namespace p2plab::cell_file_test
