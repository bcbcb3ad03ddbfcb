// Every config of configs/ answers its question; every bad one is told all its mistakes.
#include <algorithm>

#include "p2plab/report.h"
#include "program.h"

namespace p2plab {
namespace {

using test::p2plab;

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(P2PLAB_SOURCE_DIR) / folder)) {
    // The gallery is a kind of its own (explain_test).
    if (entry.path().extension() == ".yaml" && entry.path().stem() != "gallery") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

const Row* find_row(const Report& report, const std::string& algorithm) {
  const auto found = std::ranges::find(report.rows, algorithm, &Row::algorithm);
  return found == report.rows.end() ? nullptr : &*found;
}

class Config : public testing::TestWithParam<std::string> {};

TEST_P(Config, RunsAndEveryRowIsProvedNotFasterThanItsBoundAndHasRightData) {
  const auto folder = test::scratch("out");
  const auto ran = p2plab("run configs/" + GetParam() + ".yaml --out '" + folder.string() + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  for (const char* word : {"predicted us", "algbw GB/s", "busbw GB/s", "% of bound", "proved", "data", "Found:", "predicted fastest is"}) {
    EXPECT_NE(ran.out.find(word), std::string::npos) << word << '\n' << ran.out;
  }
  const auto report = read_report(folder.string());
  ASSERT_TRUE(report) << describe(report.error());
  ASSERT_FALSE(report->rows.empty());
  for (const auto& row : report->rows) {
    if (row.algorithm == "nccl_model") continue;   // a formula of others
    EXPECT_TRUE(row.verified) << row.algorithm;
    ASSERT_TRUE(row.predicted) << row.algorithm;
    const auto least = row.bound.value_or(Seconds{0});
    EXPECT_LE(least.count(), row.predicted->count() * (1 + 1e-9)) << row.algorithm << ' ' << row.size.count();
  }
  EXPECT_TRUE(std::ranges::any_of(report->rows, [](const Row& row) { return row.executor == "host"; }));
  EXPECT_NE(ran.out.find("came out right in all"), std::string::npos) << ran.out;
}

INSTANTIATE_TEST_SUITE_P(Configs, Config, testing::ValuesIn(files_of("configs")), [](const auto& each) { return "c_" + each.param; });

TEST(Configs, EightGpusOnNvlinkPlanAllSixAlgorithmsAndSayWhatThisMachineLacks) {
  const auto folder = test::scratch("out");
  const auto ran = p2plab("run configs/8gpu_nvlink.yaml --out '" + folder.string() + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto report = read_report(folder.string());
  ASSERT_TRUE(report);
  for (const char* algorithm : {"ring", "tree", "hierarchical", "one_shot", "two_shot", "auto"}) {
    EXPECT_TRUE(find_row(*report, algorithm) != nullptr || ran.out.find(std::string("all_reduce ") + algorithm) != std::string::npos) << algorithm;
  }
  EXPECT_NE(ran.err.find("skipped executor cuda: "), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("skipped executor nccl: "), std::string::npos) << ran.err;
}

TEST(Configs, PairsOverPcieFindThatHierarchyMovesExactlyThreeTimesFewerBytes) {
  const auto ran = p2plab("run configs/4gpu_pcie_pairs.yaml");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  // A flat ring carries 2 * 3/4 payloads over a port, two rails of pairs 2 * 1/2 * 1/2.
  EXPECT_NE(ran.out.find("hierarchical moves 3.0x fewer bytes over the busiest GPU's PCIe port than the flat ring (0.500 against 1.500 of the payload)"),
            std::string::npos)
      << ran.out;
}

TEST(Configs, FiveGpusOfADgx1HaveNoRingButOtherAlgorithmsWork) {
  const auto ran = p2plab("run configs/dgx1_v100.yaml");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto at = ran.out.find("all_reduce ring: ");
  ASSERT_NE(at, std::string::npos) << ran.out;
  EXPECT_NE(ran.out.substr(at, ran.out.find('\n', at) - at).find("ring"), std::string::npos);
  EXPECT_NE(ran.out.find("* "), std::string::npos);
}

TEST(Configs, TheSamePredictionsComeOutTwice) {
  const auto first = p2plab("run configs/4gpu_pcie_pairs.yaml");
  const auto second = p2plab("run configs/4gpu_pcie_pairs.yaml");
  EXPECT_EQ(first.out, second.out);
}

TEST(Configs, JsonOnStdoutIsAReport) {
  const auto ran = p2plab("run configs/4gpu_pcie_pairs.yaml --json");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto file = test::scratch("report.json");
  std::ofstream(file) << ran.out;
  const auto report = read_report(file.string());
  ASSERT_TRUE(report) << describe(report.error());
  EXPECT_FALSE(report->rows.empty());
  for (const char* key : {"collective", "algorithm", "executor", "ranks", "dtype", "size_bytes", "time_us", "algbw_gbps", "busbw_gbps", "predicted_us",
                          "error_pct", "bound_us", "verified", "in_place", "channels", "protocol", "provenance", "config_digest", "seed", "date"}) {
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

class BadConfig : public testing::TestWithParam<std::string> {};

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

INSTANTIATE_TEST_SUITE_P(BadConfigs, BadConfig, testing::ValuesIn(files_of("tests/cli/bad")), [](const auto& each) { return each.param; });

TEST(Configs, RealMachinesDescribedByNcclRun) {
  const std::filesystem::path folder = std::filesystem::path(P2PLAB_SOURCE_DIR) / "../shared/reference/nccl_xml";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no ../shared/reference/nccl_xml beside this project";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".xml" || entry.path().filename().string().find("graph") != std::string::npos) continue;
    const auto config = test::scratch("real.yaml");
    std::ofstream(config) << "version: 1\ntopology: {nccl_xml: " << std::filesystem::canonical(entry.path()).string()
                          << "}\ncollectives: [all_reduce]\nalgorithms: [ring, two_shot]\nsizes: [1 MiB]\ndtype: float16\n";
    const auto ran = p2plab("run '" + config.string() + "'");
    // A machine that cannot be read, or that has no algorithm, must say why.
    const auto& said = ran.exit == 0 ? ran.out : ran.err;
    EXPECT_TRUE(said.find(ran.exit == 0 ? "predicted fastest is" : "error: ") != std::string::npos) << entry.path() << '\n' << said;
    EXPECT_LE(ran.exit, 1) << entry.path() << '\n' << ran.err;
  }
}

}  // namespace
}  // namespace p2plab
