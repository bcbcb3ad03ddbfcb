// SPDX-License-Identifier: Apache-2.0
// Every config of configs/ answers its question; every bad one is told all its mistakes.
#include <algorithm>

#include <fmt/format.h>

#include "p2plab/report/report.h"
#include "program.h"
#include "support/reference_files.h"

namespace p2plab::configs_test {
namespace {

using test::p2plab;
using test::small_config;

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(P2PLAB_SOURCE_DIR) / folder)) {
    // Galleries are a kind of their own (explain_test).
    if (entry.path().extension() == ".yaml" && entry.path().stem() != "gallery" && !entry.path().stem().string().starts_with("unseen"))
      names.push_back(entry.path().stem().string());
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

// The first line of Found.
std::string first_answer(const std::string& text) {
  const auto found = text.find("Found:\n  ");
  if (found == std::string::npos) return {};
  const auto from = found + std::string("Found:\n  ").size();
  return text.substr(from, text.find('\n', from) - from);
}

using Names = std::vector<std::string>;

// The least predicted time of a size, in microseconds, among some algorithms (all of ours if none are named).
double least_us(const Report& report, Bytes size, const Names& names = {}) {
  double least = 0;
  for (const auto& row : report.rows) {
    const bool named = names.empty() || std::ranges::find(names, row.algorithm) != names.end();
    if (row.executor() != "simulator" || row.collective != CollectiveKind::all_reduce || row.size != size || !named) continue;
    const auto us = row.predicted()->count() * 1e6;
    if (least == 0 || us < least) least = us;
  }
  return least;
}

std::string times(double a, double b) { return fmt::format("{:.2f}x", a / b); }

// The machine of degraded_link without its loss, at one size.
Report without_loss(Bytes size) {
  const auto text = test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "configs/degraded_link.yaml");
  const auto file = test::scratch("whole.yaml");
  std::ofstream whole(file);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("sizes:")) line = fmt::format("sizes: [{} B]", size.count());
    if (line.starts_with("profile:")) line = "profile: a100";
    if (!line.starts_with("mask:") && !line.starts_with("question:")) whole << line << '\n';
  }
  whole.close();
  const auto ran = p2plab("run '" + file.string() + "' --out '" + test::scratch("whole").string() + "'");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const auto report = read_report(test::scratch("whole").string());
  EXPECT_TRUE(report);
  return report ? *report : Report{};
}

// What the first line has to say, by hand from the report's rows, from another run or from theory.
Names answer_by_hand(const std::string& config, const Report& report) {
  constexpr Bytes KiB{1 << 10};
  constexpr Bytes MiB{1 << 20};
  const auto faster = [&](Bytes size) { return times(least_us(report, size, {"ring"}), least_us(report, size, {"hierarchical"})); };
  const auto time = [&](Bytes size) { return fmt::format("{:.2f} us", least_us(report, size)); };
  if (config == "2node_h100")
    return {"hierarchical is faster than ring from 16 KiB on: " + faster(16 * KiB) + " (", ", " + faster(256 * MiB), "at 256 MiB."};
  if (config == "4gpu_pcie_pairs")
    return {"hierarchical is faster than ring from 1 KiB on: " + faster(KiB) + " (", ", " + faster(64 * MiB), "at 64 MiB."};
  // A ring among 8 moves 2 * 7/8 of the payload over a port of 450 GB/s.
  const auto bound = 2 * 7.0 / 8 * 512 * 1048576 / 450e3;
  if (config == "8gpu_nvlink")
    return {"predicted fastest is one_shot from 1 KiB", "ring from 4 MiB to 512 MiB, " + time(KiB) + " (", " and " + time(512 * MiB) + " (",
            ", " + times(least_us(report, 512 * MiB), bound) + " at 512 MiB."};
  if (config == "dgx1_v100")
    return {"predicted fastest is ", "tree from 64 KiB to 64 MiB", ", " + time(4 * KiB) + " (", " and " + time(64 * MiB) + " ("};
  if (config == "tp_decode") return {"predicted fastest is one_shot from 4 KiB", ", " + time(4 * KiB) + " (", " and " + time(MiB) + " ("};
  if (config == "degraded_link") {
    const auto lost = 100 * (least_us(report, 256 * MiB) / least_us(without_loss(256 * MiB), 256 * MiB) - 1);
    return {"what is missing (25 GB/s of link gpu3 - nvswitch0) costs ", fmt::format(", {:.1f} % (", lost), "less than 1 % at 64 KiB."};
  }
  return {"NO HAND CALCULATION FOR " + config};
}

// Ours beside NCCL and beside the clock, where a machine has GPUs; else beside NCCL's formula.
Names answer_of_four_h200(const Report& report) {
  const bool measured = std::ranges::any_of(report.rows, [](const Row& row) { return row.error_pct().has_value(); });
  if (measured) return {"predictions are within ", "in the mean of "};
  const auto formula = [&](Bytes size) {
    const auto row = std::ranges::find_if(report.rows, [&](const Row& each) { return each.algorithm == "nccl_model" && each.size == size; });
    return row == report.rows.end() ? "none" : times(row->predicted()->count() * 1e6, least_us(report, size));
  };
  return {"the best plan is predicted to be " + formula(Bytes{1 << 10}) + " (", "x) as fast as NCCL's own formula says of NCCL at 1 KiB, ",
          formula(Bytes{256 << 20}) + " (", "x) at 256 MiB"};
}

class Config : public ::testing::TestWithParam<std::string> {};

TEST_P(Config, AnswersItsQuestionAndEveryRowIsProvedNotFasterThanItsBoundAndHasRightData) {
  const auto folder = test::scratch("out");
  const auto ran = p2plab("run configs/" + GetParam() + ".yaml --out '" + folder.string() + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  for (const char* word : {"predicted", "algbw", "busbw", "% of", "Every plan is proved", "blocks", "Found:"}) {
    EXPECT_NE(ran.out.find(word), std::string::npos) << word << '\n' << ran.out;
  }
  for (const auto& words : findings_of(GetParam())) EXPECT_NE(ran.out.find(words), std::string::npos) << words << '\n' << ran.out;
  const auto report = read_report(folder.string());
  ASSERT_TRUE(report) << describe(report.error());
  ASSERT_FALSE(report->rows.empty());
  const auto answer = first_answer(ran.out);
  EXPECT_TRUE(answer.starts_with("all_reduce: ")) << answer;
  for (const auto& words : GetParam() == "4gpu_h200" ? answer_of_four_h200(*report) : answer_by_hand(GetParam(), *report))
    EXPECT_NE(answer.find(words), std::string::npos) << words << '\n' << answer;
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

// A ring's slowest hop has 11 of 12 lanes left: 12/11 of the time where bandwidth decides.
TEST(Configs, ALostLaneOfTwelveCostsARingATwelfthOfItsRest) {
  const auto ran = p2plab("run configs/degraded_link.yaml");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find(fmt::format("at the largest size it costs ring {:.1f} %,", 100 / 11.0)), std::string::npos) << ran.out;
}

TEST(Configs, EachStatesItsQuestion) {
  for (const auto& name : files_of("configs")) {
    const auto text = test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "configs" / (name + ".yaml"));
    EXPECT_NE(text.find("\nquestion: "), std::string::npos) << name;
  }
}

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
       {"collective", "algorithm", "executor", "ranks",    "dtype",         "size_bytes", "time_us",    "algbw_gbps",    "busbw_gbps", "predicted_us",
        "error_pct",  "bound_us",  "verified", "in_place", "thread_blocks", "protocol",   "provenance", "config_digest", "seed",       "date"}) {
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
  const auto machines = test::reference_files("nccl_xml", ".xml");
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
}  // namespace p2plab::configs_test
