// SPDX-License-Identifier: Apache-2.0
// Tables that fit their terminal: which columns leave, what is folded, what is said once.
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "p2plab/report/report.h"
#include "report/text_table.h"

namespace p2plab::text_test {
namespace {

using enum TextTable::Align;

std::size_t widest(const std::string& text) {
  std::istringstream lines(text);
  std::size_t most = 0;
  for (std::string line; std::getline(lines, line);) most = std::max(most, line.size());
  return most;
}

TextTable table() {
  TextTable table({{"size", right}, {"name", left, 0, true}, {"time\nus", right}, {"rate\nGB/s", right, 2}, {"note", left, 1}, {"none", left, 1}});
  table.add({"1 KiB", "a name that is quite long", "1.00", "10.00", "good", "-"}, TextTable::Style::strong);
  table.add({"2 KiB", "b", "2.00", "20.00", "bad", ""});
  return table;
}

TEST(TextTable, ColumnsThatSayNothingLeaveUnlessTheLayoutIsWide) {
  EXPECT_EQ(table().text({}),
            "                                  time   rate\n"
            " size  name                         us   GB/s  note\n"
            "1 KiB  a name that is quite long  1.00  10.00  good\n"
            "2 KiB  b                          2.00  20.00  bad\n");
  EXPECT_NE(table().text({.wide = true}).find("none"), std::string::npos);
}

TEST(TextTable, TheColumnThatMattersLeastLeavesFirstAndTheNameIsShortenedLast) {
  const auto whole = widest(table().text({}));
  EXPECT_EQ(table().text({.columns = static_cast<int>(whole)}), table().text({}));
  const auto narrower = table().text({.columns = static_cast<int>(whole) - 1});
  EXPECT_EQ(narrower.find("rate"), std::string::npos) << narrower;
  EXPECT_NE(narrower.find("note"), std::string::npos) << narrower;
  EXPECT_EQ(table().text({.columns = 34}),
            "                              time\n"
            " size  name                     us\n"
            "1 KiB  a name th...uite long  1.00\n"
            "2 KiB  b                      2.00\n");
}

TEST(TextTable, NoLayoutShortensANameToNothingOrLosesATime) {
  for (int columns = 1; columns < 60; ++columns) {
    const auto text = table().text({.columns = columns});
    EXPECT_NE(text.find("2.00"), std::string::npos) << columns;
    EXPECT_LE(widest(text), std::max<std::size_t>(static_cast<std::size_t>(columns), 30)) << text;
  }
}

TEST(TextTable, ColourIsAroundRowsAndOnlyWhereAskedFor) {
  EXPECT_EQ(table().text({.columns = 80}).find('\x1b'), std::string::npos);
  const auto text = table().text({.colour = true});
  EXPECT_NE(text.find("\x1b[1m1 KiB"), std::string::npos);
  EXPECT_NE(text.find("good\x1b[0m\n2 KiB"), std::string::npos) << text;
}

TEST(Folded, ANumberStaysWithItsUnit) {
  EXPECT_EQ(folded("from 1 KiB to 64 MiB, 9.1 % more", {.columns = 9}), "  from\n    1 KiB\n    to\n    64 MiB,\n    9.1 %\n    more\n");
}

TEST(Folded, LinesEndAtBlanksAndTheNextOnesAreIndented) {
  EXPECT_EQ(folded("one two three four", {.columns = 12}), "  one two\n    three\n    four\n");
  EXPECT_EQ(folded("one two three four", {}), "  one two three four\n");
  EXPECT_EQ(folded("averylongwordthatfitsnowhere", {.columns = 10}), "  averylongwordthatfitsnowhere\n");
}

Row row_of(const std::string& algorithm, double us, const std::string& chosen = {}) {
  Row row;
  row.algorithm = algorithm;
  row.chosen = chosen;
  row.ranks = 8;
  row.dtype = "float16";
  row.size = Bytes{256 << 20};
  row.prediction = Prediction{Seconds{us * 1e-6}};
  row.measurement = {.executor = "simulator", .samples = {row.prediction->time}};
  row.bound = Seconds{1e-6};
  row.verified = true;
  row.thread_blocks = 128;
  return row;
}

Report report_with(std::vector<Row> more = {}) {
  Report report{.name = "sample", .provenance = {.topology = "server", .profile = "h200", .forms = "gpu"}};
  report.rows = {row_of("ring", 1298.12), row_of("two_shot mode=direct", 1342.5), row_of("auto", 1298.12, "ring"),
                 row_of("tuned file=tables/of/the/whole/cluster.yaml", 1500, "halving_doubling exchange=doubling")};
  std::ranges::move(more, std::back_inserter(report.rows));
  report.skipped = {{"executor cuda", "this machine has no GPU, and a sentence that says so is longer than eighty columns can ever be"}};
  report.findings = {"A sentence of numbers (1.00 to 2.00 us) that is longer than eighty columns, as sentences of Found are more often than not."};
  mark_winners(report.rows);
  return report;
}

Row on(const std::string& executor, Row row, double us) {
  row.measurement = {.executor = executor, .clock = Clock::device, .samples = {Seconds{us * 1e-6}}, .check = DataCheck{.passed = true}};
  return row;
}

TEST(ReportText, FitsIntoEightyAndAHundredColumns) {
  const auto measured = report_with({on("cuda", row_of("ring", 1298.12), 1300), on("cuda", row_of("two_shot mode=direct", 1342.5), 1350),
                                     on("nccl", row_of("ring", 1298.12), 1400)});
  for (const int columns : {80, 100}) {
    EXPECT_LE(widest(to_text(report_with(), {.columns = columns})), columns) << to_text(report_with(), {.columns = columns});
    EXPECT_LE(widest(to_text(measured, {.columns = columns})), columns) << to_text(measured, {.columns = columns});
  }
  EXPECT_GT(widest(to_text(measured, {.columns = 80, .wide = true})), 100);
}

TEST(ReportText, SaysOnceWhatIsTrueOfAllRows) {
  const auto text = to_text(report_with());
  EXPECT_EQ(text.find("proved  "), std::string::npos) << text;
  EXPECT_EQ(text.find("  auto"), std::string::npos) << "the line of ring once more\n" << text;
  EXPECT_NE(text.find("Every plan is proved"), std::string::npos);
  EXPECT_NE(text.find("auto has no line of its own"), std::string::npos);
  EXPECT_NE(to_text(report_with(), {.wide = true}).find("auto (ring)"), std::string::npos);
}

TEST(ReportText, ARowThatIsNotProvedOrWrongBringsItsColumnBack) {
  auto report = report_with();
  report.rows[1].verified = false;
  EXPECT_NE(to_text(report).find("proved"), std::string::npos);
  EXPECT_EQ(to_text(report).find("Every plan is proved"), std::string::npos);
  auto wrong = on("cuda", row_of("ring", 1298.12), 1300);
  wrong.measurement.check = DataCheck{.passed = false, .elements = 10, .wrong = 1};
  const auto text = to_text(report_with({wrong}), {.columns = 80, .colour = true});
  EXPECT_NE(text.find("WRONG\x1b[0m"), std::string::npos) << text;
}

}  // namespace
}  // namespace p2plab::text_test
