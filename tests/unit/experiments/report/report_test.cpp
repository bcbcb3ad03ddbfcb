// SPDX-License-Identifier: Apache-2.0
// Reports: derived columns, winners, formats, reading back.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "p2plab/report/report.h"
#include "support/scratch.h"

namespace p2plab::report_test {
namespace {

Row row_of(const std::string& algorithm, Bytes size, double predicted_us) {
  Row row;
  row.algorithm = algorithm;
  row.ranks = 4;
  row.dtype = "float16";
  row.size = size;
  row.prediction = Prediction{Seconds{predicted_us * 1e-6}};
  row.measurement = {.executor = "simulator", .samples = {row.prediction->time}};
  row.bound = Seconds{predicted_us * 0.5e-6};
  row.verified = true;
  row.thread_blocks = 3;
  row.protocol = "simple";
  return row;
}

Report sample() {
  Report report{.name = "sample", .provenance = {.version = "0.1.0", .config = "a \"b\".yaml", .topology = "server"}};
  report.rows = {row_of("ring", Bytes{1 << 20}, 100), row_of("tree", Bytes{1 << 20}, 80), row_of("ring", Bytes{1 << 10}, 8),
                 row_of("tree", Bytes{1 << 10}, 8)};
  report.skipped = {{"executor cuda", "no GPU"}};
  report.findings = {"tree is fastest"};
  mark_winners(report.rows);
  return report;
}

std::string scratch_file(const std::string& name) { return test::scratch(name).string(); }

TEST(Row, AllReduceBusBandwidthOfFourRanksIsOneAndAHalfTimesPayloadPerSecond) {
  const auto row = row_of("ring", Bytes{1000000}, 10);  // 1 MB in 10 us = 100 GB/s
  EXPECT_NEAR(*row.algbw_gbps(), 100, 1e-9);
  EXPECT_NEAR(*row.busbw_gbps(), 150, 1e-9);
  EXPECT_NEAR(*row.bound_pct(), 50, 1e-9);
}

TEST(Row, PredictionErrorExistsOnlyAgainstADeviceClock) {
  auto row = row_of("ring", Bytes{1000}, 9);
  EXPECT_FALSE(row.error_pct());
  row.measurement.samples = {Seconds{10e-6}};
  row.measurement.clock = Clock::host;
  EXPECT_FALSE(row.error_pct());
  row.measurement.clock = Clock::device;
  EXPECT_NEAR(*row.error_pct(), -10, 1e-9);
}

TEST(Row, EmptyPayloadAndMissingTimeHaveNoSenselessRate) {
  EXPECT_EQ(*row_of("ring", Bytes{0}, 5).algbw_gbps(), 0);
  Row row;
  EXPECT_FALSE(row.algbw_gbps());
  EXPECT_FALSE(row.busbw_gbps());
  EXPECT_FALSE(row.bound_pct());
}

TEST(Report, WinnerHasTheLeastPredictedTimeOfItsSizeAndTheFirstOfEqualsWins) {
  const auto report = sample();
  EXPECT_FALSE(report.rows[0].winner);
  EXPECT_TRUE(report.rows[1].winner);
  EXPECT_TRUE(report.rows[2].winner);
  EXPECT_FALSE(report.rows[3].winner);
}

TEST(Report, CsvHasTheFixedKeysAsHeaderAndOneLinePerRow) {
  const auto csv = to_csv(sample());
  EXPECT_TRUE(csv.starts_with(
      "collective,algorithm,executor,ranks,dtype,size_bytes,time_us,algbw_gbps,busbw_gbps,predicted_us,error_pct,bound_us,verified,"
      "in_place,thread_blocks,protocol,clock,chosen,winner,predicted_low_us,predicted_high_us,bound_low_us,blocks_per_lane,data,planned_"
      "for,profile_name\nall_reduce,ring,simulator,4,float16,1048576,100.0,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
}

TEST(Report, ReadsBackFromJsonWithTheSameRows) {
  const auto report = sample();
  ASSERT_TRUE(write_report(report, scratch_file("p2plab_report")));
  const auto back = read_report(scratch_file("p2plab_report"));
  ASSERT_TRUE(back) << describe(back.error());
  ASSERT_EQ(back->rows.size(), report.rows.size());
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    EXPECT_EQ(back->rows[r].algorithm, report.rows[r].algorithm);
    EXPECT_EQ(back->rows[r].size, report.rows[r].size);
    EXPECT_NEAR(back->rows[r].time()->count(), report.rows[r].time()->count(), 1e-15);
    EXPECT_EQ(back->rows[r].winner, report.rows[r].winner);
  }
  for (const char* name : {"report.json", "report.csv", "report.html"}) {
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(scratch_file("p2plab_report")) / name)) << name;
  }
}

TEST(Report, ReadsBackRepeatsIntervalAndDataCheck) {
  Report report{.name = "device"};
  auto row = row_of("ring", Bytes{1 << 20}, 100);
  row.prediction->interval = Interval{Seconds{90e-6}, Seconds{120e-6}};
  row.measurement = {.executor = "cuda",
                     .clock = Clock::device,
                     .samples = {Seconds{101e-6}, Seconds{99e-6}, Seconds{103e-6}},
                     .check = DataCheck{.passed = true, .elements = 7}};
  row.bound_low = Seconds{50e-6};
  row.rests_on = {"socket link of host0 - host1"};
  report.rows = {row};
  std::ofstream(scratch_file("repeats.json")) << to_json(report);
  const auto back = read_report(scratch_file("repeats.json"));
  ASSERT_TRUE(back) << describe(back.error());
  const auto& same = back->rows.front();
  ASSERT_EQ(same.measurement.samples.size(), 3U);
  EXPECT_NEAR(same.measurement.samples[1].count(), 99e-6, 1e-15);
  EXPECT_NEAR(same.time()->count(), 101e-6, 1e-15);
  EXPECT_NEAR(same.interval()->low.count(), 90e-6, 1e-15);
  EXPECT_NEAR(same.interval()->high.count(), 120e-6, 1e-15);
  EXPECT_NEAR(same.bound_low->count(), 50e-6, 1e-15);
  EXPECT_EQ(same.rests_on, row.rests_on);
  EXPECT_TRUE(same.data()->passed);
  EXPECT_EQ(same.data()->elements, 7);
}

TEST(Report, TextMarksTheWinnerAndNamesWhatWasNotDone) {
  const auto text = to_text(sample());
  EXPECT_NE(text.find("* tree"), std::string::npos) << text;
  EXPECT_NE(text.find("1 MiB"), std::string::npos);
  EXPECT_NE(text.find("executor cuda: no GPU"), std::string::npos);
  EXPECT_NE(text.find("tree is fastest"), std::string::npos);
}

TEST(Report, WrongDataShowsInTheTable) {
  auto report = sample();
  auto host = report.rows[0];
  host.measurement.executor = "host";
  host.measurement.clock = Clock::host;
  host.measurement.check = DataCheck{.passed = false, .elements = 10, .wrong = 1};
  report.rows.push_back(host);
  EXPECT_NE(to_text(report).find("WRONG"), std::string::npos);
  report.rows.back().measurement.check->passed = true;
  EXPECT_EQ(to_text(report).find("WRONG"), std::string::npos);
}

TEST(Report, HtmlLoadsNothingAndEscapesNames) {
  auto report = sample();
  report.name = "<script>";
  const auto html = to_html(report);
  EXPECT_NE(html.find("<h1>&lt;script&gt;</h1>"), std::string::npos);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);  // whatever the page says, a browser fetches nothing
  const auto said = html.substr(0, html.find("<script"));
  for (const char* door : {"src=", "href=", "@import", "url("}) EXPECT_EQ(said.find(door), std::string::npos) << door;
}

TEST(Report, HtmlSaysTheFirstFindingFirstAndCarriesTheLibrarysLicences) {
  auto report = sample();
  report.findings.emplace_back("</script> of a name");
  const auto html = to_html(report);
  EXPECT_LT(html.find("<p class=verdict>tree is fastest</p>"), html.find("<h2>Found</h2>"));
  EXPECT_NE(html.find("Copyright 2010-2023 Mike Bostock\n\nPermission to use"), std::string::npos);
  EXPECT_NE(html.find("Copyright 2020-2025 Observable, Inc.\n\nPermission to use"), std::string::npos);
  report.rows.front().algorithm = "</script>";
  const auto data = to_html(report);
  EXPECT_NE(data.find("\"\\u003c/script>\""), std::string::npos) << "no name ends the script that holds the data";
}

TEST(ReadReport, BadFilesGiveAnErrorWithTheirPlace) {
  const auto reads = [](const std::string& content) {
    const auto path = scratch_file("bad_report.json");
    std::ofstream(path) << content;
    return read_report(path);
  };
  for (const char* bad : {"", "{", "[]", "{\"rows\": 3}", "{\"rows\": [3]}", "{\"rows\": [{}]}", "{\"rows\": [{\"collective\": 1}]}", "\xff\xfe"}) {
    const auto report = reads(bad);
    ASSERT_FALSE(report) << bad;
    EXPECT_NE(describe(report.error()).find("bad_report.json"), std::string::npos) << describe(report.error());
  }
  EXPECT_NE(describe(reads("{\n  \"rows\": nonsense}").error()).find(":2:"), std::string::npos);
  const auto wrong = describe(reads("{\"rows\": [\n  {\"collective\": 7}]}").error());
  EXPECT_NE(wrong.find("bad_report.json:2:18: error: at /rows/0/collective: expected text"), std::string::npos) << wrong;
  EXPECT_EQ(read_report(scratch_file("no_such_report.json")).error().code, ErrorCode::io);
}

}  // namespace
}  // namespace p2plab::report_test
