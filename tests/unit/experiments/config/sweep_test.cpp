// SPDX-License-Identifier: Apache-2.0
// A config's matrix: which experiments it is, what is wrong with it, and rows that carry their axes.
#include <algorithm>

#include <gtest/gtest.h>

#include "p2plab/experiment/sweep.h"
#include "p2plab/report/compare.h"
#include "support/scratch.h"

namespace p2plab::sweep_test {
namespace {

const std::string base = "version: 1\nname: sweep\ncollectives: [all_reduce]\nalgorithms: [ring, two_shot]\nsizes: [1 KiB, 64 MiB]\n";
const std::string machines = "  machine: {four: {topology: {preset: hgx-h200, gpus: 4}}, eight: {topology: {preset: hgx-h200, gpus: 8}}}\n";
const std::string lost = "  loss: {none: {}, lane: {mask: {links: [{between: [gpu0, nvswitch0], fraction: 0.5}]}}}\n";

TEST(Sweep, AConfigWithoutAMatrixIsOneCellWithoutAxes) {
  const auto sweep = read_sweep(base + "topology: {preset: hgx-h200, gpus: 4}\n", "sweep.yaml");
  ASSERT_TRUE(sweep) << describe(sweep.error());
  ASSERT_EQ(sweep->cells.size(), 1);
  EXPECT_TRUE(sweep->cells[0].axes.empty());
}

TEST(Sweep, EveryCombinationIsACellAndTheLastAxisChangesFastest) {
  const auto sweep = read_sweep(base + "dtype: float16\nmatrix:\n" + machines + "  type: {half: {}, single: {dtype: float32}}\n", "sweep.yaml");
  ASSERT_TRUE(sweep) << describe(sweep.error());
  ASSERT_EQ(sweep->cells.size(), 4);
  std::vector<std::string> names;
  for (const auto& cell : sweep->cells) names.push_back(to_string(cell.axes));
  EXPECT_EQ(names, (std::vector<std::string>{"machine four, type half", "machine four, type single", "machine eight, type half",
                                             "machine eight, type single"}));
  EXPECT_EQ(sweep->cells[0].experiment.topology.ranks(), 4);
  EXPECT_EQ(sweep->cells[0].experiment.dtype, DataType::float16);
  EXPECT_EQ(sweep->cells[3].experiment.topology.ranks(), 8);
  EXPECT_EQ(sweep->cells[3].experiment.dtype, DataType::float32);
}

TEST(Sweep, AnAxisMaySetMasksParametersSizesAndSeeds) {
  const auto sweep = read_sweep(base + "topology: {preset: hgx-h200, gpus: 4}\nmatrix:\n" + lost +
                                    "  plan: {one: {algorithms: [{name: ring, rings: 1}], seed: 7, sizes: [2 KiB]}, all: {}}\n",
                                "sweep.yaml");
  ASSERT_TRUE(sweep) << describe(sweep.error());
  ASSERT_EQ(sweep->cells.size(), 4);
  EXPECT_TRUE(sweep->cells[0].experiment.masked.empty());
  EXPECT_EQ(sweep->cells[2].experiment.masked.size(), 1);
  EXPECT_EQ(sweep->cells[2].experiment.algorithms[0].label(), "ring rings=1");
  EXPECT_EQ(sweep->cells[2].experiment.seed, 7U);
  EXPECT_EQ(sweep->cells[2].experiment.sizes, std::vector<Bytes>{Bytes{2048}});
  EXPECT_EQ(sweep->cells[3].experiment.algorithms.size(), 2);
}

TEST(Sweep, AllMistakesOfAllCellsAreToldOnce) {
  const auto bad = read_sweep(base +
                                  "dtype: float61\nmatrix:\n  size_bytes: {a: {seed: 1}, b: {seed: 2}}\n"
                                  "  machine: {four: {topology: {preset: hgx-h20}}, eight: {topology: {preset: hgx-h200}, version: 2}}\n"
                                  "  again: {x: {topology: {preset: hgx-h200}}}\n  none: {}\n",
                              "sweep.yaml");
  ASSERT_FALSE(bad);
  const auto text = describe(bad.error());
  for (const auto* words : {"an axis may not be called 'size_bytes'", "unknown key 'version'", "'topology' is set by the axes 'machine' and 'again'",
                            "axis 'none' needs named values"})
    EXPECT_NE(text.find(words), std::string::npos) << words << '\n' << text;
  const auto twice = read_sweep(base + "dtype: float61\nmatrix:\n" + machines, "sweep.yaml");
  ASSERT_FALSE(twice);
  EXPECT_TRUE(twice.error().more.empty()) << "one mistake that both cells have\n" << describe(twice.error());
}

TEST(Sweep, AMachineThatOnlySomeCellsHaveIsMissing) {
  const auto bad = read_sweep(base + "matrix:\n  machine: {four: {topology: {preset: hgx-h200, gpus: 4}}, none: {}}\n", "sweep.yaml");
  ASSERT_FALSE(bad);
  EXPECT_NE(describe(bad.error()).find("key 'topology' is missing"), std::string::npos) << describe(bad.error());
}

TEST(Sweep, AMatrixOfMoreThanAThousandCellsIsRefused) {
  std::string text = base + "topology: {preset: hgx-h200, gpus: 4}\nmatrix:\n";
  const std::vector<std::pair<std::string, std::string>> axes{{"a", "seed"}, {"b", "dtype"}, {"c", "op"}, {"d", "root"}};
  for (const auto& [axis, key] : axes) {
    text += "  " + axis + ": {";
    for (int v = 0; v < 6; ++v) text += (v > 0 ? ", v" : "v") + std::to_string(v) + ": {}";
    text += "}\n";
  }
  const auto bad = read_sweep(text, "sweep.yaml");  // 6^4 = 1296
  ASSERT_FALSE(bad);
  EXPECT_NE(describe(bad.error()).find("more than 1000 cells"), std::string::npos) << describe(bad.error());
}

Report run_of(const std::string& text) {
  const auto sweep = read_sweep(text, "sweep.yaml");
  EXPECT_TRUE(sweep) << describe(sweep.error());
  SilentProgress silent;
  auto report = run(*sweep, silent);
  EXPECT_TRUE(report);
  return report ? *std::move(report) : Report{};
}

TEST(Sweep, RowsCarryTheirAxesAndEachCellHasItsWinners) {
  const auto report = run_of(base + "topology: {preset: hgx-h200, gpus: 4}\nprofile: ideal\nmatrix:\n" + lost);
  const auto of = [&](const std::string& loss) {
    return std::ranges::count_if(report.rows, [&](const Row& row) { return row.axes == Axes{{"loss", loss}} && row.winner; });
  };
  EXPECT_EQ(of("none"), 2);  // of two sizes each
  EXPECT_EQ(of("lane"), 2);
  const auto text = to_text(report, {.columns = 100});
  EXPECT_NE(text.find("sweep: all_reduce of float32 among 4 GPUs (loss none)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("sweep: all_reduce of float32 among 4 GPUs (loss lane)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Found:\n  all_reduce at 64 MiB: best by loss: none "), std::string::npos) << text;
  EXPECT_NE(text.find("\n  loss lane: Planned as if this were missing: "), std::string::npos) << text;
  EXPECT_NE(to_csv(report).find(",protocol,loss,clock,"), std::string::npos);
  EXPECT_NE(to_html(report).find(R"({"loss":"lane"})"), std::string::npos);
}

TEST(Sweep, AnswersItsQuestionFirst) {
  const auto report = run_of(base + "topology: {preset: hgx-h200, gpus: 4}\nprofile: ideal\nquestion: against_nccl\nmatrix:\n" + lost);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_NE(report.findings.front().find("as fast as NCCL's own formula says of NCCL"), std::string::npos) << report.findings.front();
  EXPECT_TRUE(std::ranges::any_of(report.findings, [](const std::string& text) { return text.find("best by loss: none ") != std::string::npos; }));
}

TEST(Sweep, AxesAreReadBackAndComparedWithTheirLike) {
  const auto report = run_of(base + "topology: {preset: hgx-h200, gpus: 4}\nprofile: ideal\nmatrix:\n" + lost);
  const auto folder = test::scratch("sweep").string();
  ASSERT_TRUE(write_report(report, folder));
  const auto read = read_report(folder);
  ASSERT_TRUE(read) << describe(read.error());
  ASSERT_EQ(read->rows.size(), report.rows.size());
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    EXPECT_EQ(read->rows[r].axes, report.rows[r].axes);
    EXPECT_EQ(read->rows[r].winner, report.rows[r].winner);
  }
  const auto comparison = compare(report, *read);
  EXPECT_EQ(comparison.rows.size(), report.rows.size());
  for (const auto& verdict : comparison.verdicts()) EXPECT_TRUE(verdict.differences.empty());
  EXPECT_NE(to_text(std::vector{comparison}, {.columns = 80}).find("loss lane     all_reduce  64 MiB  ring "), std::string::npos)
      << to_text(std::vector{comparison}, {.columns = 80});
}

TEST(Sweep, WhatAllCellsHaveInCommonIsSaidOnce) {
  const auto text = to_text(run_of(base + "profile: ideal\nexecutors: [simulator, host]\nmatrix:\n" + machines));
  const std::string words = "each cell: executor host above 1 MiB: ";
  const auto first = text.find(words);
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("executor host above", first + words.size()), std::string::npos) << text;
}

TEST(Sweep, WhatIsStoppedKeepsWholeCells) {
  const auto sweep = read_sweep(base + "profile: ideal\nmatrix:\n" + machines, "sweep.yaml");
  ASSERT_TRUE(sweep);
  SilentProgress silent;
  const auto report = run(*sweep, silent, [] { return true; });
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->interrupted);
  EXPECT_TRUE(std::ranges::any_of(report->skipped, [](const Skipped& skip) { return skip.what == "machine eight: the whole cell"; }));
}

}  // namespace
}  // namespace p2plab::sweep_test
