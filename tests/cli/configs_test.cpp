// SPDX-License-Identifier: Apache-2.0
// Every config of configs/ answers its question; every bad one is told all its mistakes.
#include <algorithm>

#include "p2plab/report/report.h"
#include "program.h"
#include "support/reference_files.h"

namespace p2plab {
namespace {

using test::p2plab;
using test::small_config;

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(P2PLAB_SOURCE_DIR) / folder)) {
    // The gallery is a kind of its own (explain_test).
    if (entry.path().extension() == ".yaml" && entry.path().stem() != "gallery") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

// What a config finds beside what all of them do, in words of its report.
std::vector<std::string> findings_of(const std::string& config) {
  if (config == "8gpu_nvlink") return {"ring ", "tree ", "one_shot ", "two_shot ", "auto ", "all_reduce hierarchical: "};
  // A flat ring carries 2 * 3/4 payloads over a port, two rails of pairs 2 * 1/2 * 1/2.
  if (config == "4gpu_pcie_pairs")
    return {"hierarchical moves 3.0x fewer bytes over the busiest GPU's PCIe port than the flat ring (0.500 against 1.500 of the payload)"};
  if (config == "dgx1_v100") return {"all_reduce ring: no ring of GPU links (NVLink) passes through all 5 ranks", "* "};
  return {};
}

class Config : public ::testing::TestWithParam<std::string> {};

TEST_P(Config, RunsAndEveryRowIsProvedNotFasterThanItsBoundAndHasRightData) {
  const auto folder = test::scratch("out");
  const auto ran = p2plab("run configs/" + GetParam() + ".yaml --out '" + folder.string() + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  for (const char* word : {"predicted us", "algbw GB/s", "busbw GB/s", "% of bound", "proved", "data", "Found:", "predicted fastest is"}) {
    EXPECT_NE(ran.out.find(word), std::string::npos) << word << '\n' << ran.out;
  }
  for (const auto& words : findings_of(GetParam())) EXPECT_NE(ran.out.find(words), std::string::npos) << words << '\n' << ran.out;
  const auto report = read_report(folder.string());
  ASSERT_TRUE(report) << describe(report.error());
  ASSERT_FALSE(report->rows.empty());
  for (const auto& row : report->rows) {
    if (row.algorithm == "nccl_model") continue;  // a formula of others
    EXPECT_TRUE(row.verified) << row.algorithm;
    ASSERT_TRUE(row.predicted()) << row.algorithm;
    const auto least = row.bound.value_or(Seconds{0});
    EXPECT_LE(least.count(), row.predicted()->count() * (1 + 1e-9)) << row.algorithm << ' ' << row.size.count();
  }
  const auto config = test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "configs" / (GetParam() + ".yaml"));
  for (const std::string executor : {"host", "cuda", "nccl"}) {
    if (config.find(", " + executor) == std::string::npos) continue;
    const bool ran_there = std::ranges::any_of(report->rows, [&](const Row& row) { return row.executor() == executor; });
    EXPECT_TRUE(ran_there || (executor != "host" && ran.err.find("skipped executor " + executor + ": ") != std::string::npos)) << executor << '\n'
                                                                                                                               << ran.err;
  }
  EXPECT_NE(ran.out.find("came out right in all"), std::string::npos) << ran.out;
}

INSTANTIATE_TEST_SUITE_P(Configs, Config, ::testing::ValuesIn(files_of("configs")), [](const auto& each) { return "c_" + each.param; });

TEST(Configs, TheSamePredictionsComeOutTwice) {
  const auto config = small_config();
  EXPECT_EQ(p2plab("run " + config).out, p2plab("run " + config).out);
}

TEST(Configs, JsonOnStdoutIsAReport) {
  const auto ran = p2plab("run " + small_config() + " --json");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto file = test::scratch("report.json");
  std::ofstream(file) << ran.out;
  const auto report = read_report(file.string());
  ASSERT_TRUE(report) << describe(report.error());
  EXPECT_FALSE(report->rows.empty());
  for (const char* key :
       {"collective", "algorithm", "executor", "ranks",    "dtype",    "size_bytes", "time_us",    "algbw_gbps",    "busbw_gbps", "predicted_us",
        "error_pct",  "bound_us",  "verified", "in_place", "channels", "protocol",   "provenance", "config_digest", "seed",       "date"}) {
    EXPECT_NE(ran.out.find(std::string("\"") + key + "\":"), std::string::npos) << key;
  }
}

// Lists of known names grow; what matters is that they are there.
std::string without_lists(const std::string& text) {
  std::stringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) kept += (line.starts_with("note: known: ") ? "note: known: ..." : line) + '\n';
  return kept;
}

class BadConfig : public ::testing::TestWithParam<std::string> {};

TEST_P(BadConfig, IsToldAllItsMistakes) {
  const auto folder = std::filesystem::path(P2PLAB_SOURCE_DIR) / "tests/cli/bad";
  const auto checked = p2plab("config check " + GetParam() + ".yaml", folder);
  EXPECT_EQ(checked.exit, 1);
  EXPECT_EQ(checked.out, "");
  const auto golden = folder / (GetParam() + ".expected");
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << without_lists(checked.err);
  EXPECT_EQ(without_lists(checked.err), test::content(golden));
  EXPECT_EQ(p2plab("run " + GetParam() + ".yaml", folder).err, checked.err);
}

INSTANTIATE_TEST_SUITE_P(BadConfigs, BadConfig, ::testing::ValuesIn(files_of("tests/cli/bad")), [](const auto& each) { return each.param; });

TEST(Configs, RealMachinesDescribedByNcclRun) {
  const auto machines = testing::reference_files("nccl_xml", ".xml");
  if (machines.empty()) GTEST_SKIP() << "no ../shared/reference/nccl_xml beside this project; set P2PLAB_REFERENCE to its folder";
  for (const auto& machine : machines) {
    if (machine.find("graph") != std::string::npos) continue;
    const auto config = test::scratch("real.yaml");
    std::ofstream(config) << "version: 1\ntopology: {nccl_xml: " << std::filesystem::canonical(machine).string()
                          << "}\ncollectives: [all_reduce]\nalgorithms: [ring, two_shot]\nsizes: [1 MiB]\ndtype: float16\n";
    const auto ran = p2plab("run '" + config.string() + "'");
    // A machine that cannot be read, or that has no algorithm, must say why.
    const auto& said = ran.exit == 0 ? ran.out : ran.err;
    EXPECT_TRUE(said.find(ran.exit == 0 ? "predicted fastest is" : "error: ") != std::string::npos) << machine << '\n' << said;
    EXPECT_LE(ran.exit, 1) << machine << '\n' << ran.err;
  }
}

}  // namespace
}  // namespace p2plab
