// SPDX-License-Identifier: Apache-2.0
// p2plab doctor from the command line: records, reports, exit codes.
#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab {
namespace {

using test::json_of;
using test::p2plab;

// The recorded machine with one NVLink of GPU 2 down.
std::string with_a_dead_link() {
  auto facts = nlohmann::json::parse(test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "tests/data/h200x4_facts.json"));
  facts["nvml"][2]["links"][5]["active"] = false;
  const auto file = test::scratch("dead_link.json");
  std::ofstream(file) << facts.dump();
  return "'" + file.string() + "'";
}

TEST(DoctorCommand, ReportsAFaultWithItsPriceAndExitsByStrict) {
  const auto file = with_a_dead_link();
  const auto plain = p2plab("doctor --facts " + file);
  EXPECT_EQ(plain.exit, 0) << plain.err;
  EXPECT_NE(plain.out.find("fault   1 of 18 NVLinks of gpu2 are down (number 5)"), std::string::npos) << plain.out;
  EXPECT_NE(plain.out.find("6.2 GB/s busbw: 443.8 with it, 450.0 without (1 % lost)"), std::string::npos) << plain.out;
  const auto strict = p2plab("doctor --strict --facts " + file);
  EXPECT_EQ(strict.exit, 1);
  EXPECT_EQ(strict.out, plain.out);
  EXPECT_EQ(p2plab("doctor --strict --facts tests/data/h200x4_facts.json").exit, 0) << "what is not known is no complaint";
}

TEST(DoctorCommand, JsonHoldsWhatTheTextSays) {
  const auto json = json_of("doctor --json --facts " + with_a_dead_link());
  test::expect_keys(json, {"machine", "summary", "complaints", "busbw_gbps", "prompt_tokens_a_second", "findings", "fine", "warnings"});
  EXPECT_EQ(json["complaints"], 1);
  const auto& finding = json["findings"][0];
  EXPECT_EQ(finding["name"], "nvlink.down");
  EXPECT_EQ(finding["severity"], "fault");
  EXPECT_EQ(finding["busbw_gbps"]["with"], 443.75);
}

// A token of llama-70b is added up in 80 layers twice, 8192 elements of two bytes: 2.62 MB, of which a ring over four GPUs moves 1.5 times as much
// over each one's links. 443.75 GB/s take 112,851 such tokens a second, 450 take 114,441.
TEST(DoctorCommand, SaysWhatAFaultCostsInTokensOfAModel) {
  const auto text = p2plab("doctor --model llama-70b --facts " + with_a_dead_link());
  EXPECT_NE(text.out.find("1589 tokens a second of llama-70b's prompts: 112851 with it, 114441 without"), std::string::npos) << text.out;
  const auto json = json_of("doctor --json --model llama-70b --facts " + with_a_dead_link());
  EXPECT_NEAR(json["findings"][0]["prompt_tokens_a_second"]["with"].get<double>(), 112851, 1);
  EXPECT_NEAR(json["prompt_tokens_a_second"]["without"].get<double>(), 114441, 1);
  EXPECT_NE(p2plab("doctor --model llama-7000b --facts tests/data/h200x4_facts.json").exit, 0);
}

// What engines read before they use peer access.
TEST(DoctorCommand, AVerdictSaysOfEachPairWhetherItWorks) {
  const auto file = test::scratch("verdict.json");
  const auto write = [&](const std::string& more) {
    EXPECT_EQ(p2plab("doctor --facts " + with_a_dead_link() + " --verdict '" + file.string() + "'" + more).exit, 0);
    return nlohmann::json::parse(test::content(file));
  };
  const auto untried = write("");
  test::expect_keys(untried, {"format", "version", "machine", "driver", "gpus", "complaints", "findings", "pairs"});
  EXPECT_EQ(untried["findings"][0]["name"], "nvlink.down");
  EXPECT_EQ(untried["gpus"].size(), 4U);
  ASSERT_EQ(untried["pairs"].size(), 12U);
  EXPECT_TRUE(untried["pairs"][0]["granted"]);
  EXPECT_TRUE(untried["pairs"][0]["works"].is_null()) << "nobody tried it";
  const auto tried = write(" --probe host");
  for (const auto& pair : tried["pairs"]) {
    EXPECT_EQ(pair["works"], true);
    EXPECT_EQ(pair["ways"]["stores"], "right");
  }
}

TEST(DoctorCommand, AMachineThatCannotBeReadIsAnErrorThatSaysWhy) {
  const auto broken = test::scratch("broken.json");
  std::ofstream(broken) << "{\"version\": 1";
  const auto half = p2plab("doctor --facts '" + broken.string() + "'");
  EXPECT_EQ(half.exit, 1);
  EXPECT_NE(half.err.find("broken.json"), std::string::npos) << half.err;
  const auto missing = p2plab("doctor --facts /no/such/file");
  EXPECT_EQ(missing.exit, 1);
  EXPECT_NE(missing.err.find("/no/such/file"), std::string::npos) << missing.err;
}

// Scripts get the same keys, and why nothing more is said.
TEST(DoctorCommand, JsonOfAMachineWithoutGpusSaysSo) {
  auto facts = nlohmann::json::parse(test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "tests/data/h200x4_facts.json"));
  for (const auto* const part : {"nvml", "cuda", "pci", "peers"}) facts[part] = nlohmann::json::array();
  const auto file = test::scratch("no_gpus.json");
  std::ofstream(file) << facts.dump();
  const auto said = p2plab("doctor --json --facts '" + file.string() + "'");
  EXPECT_EQ(said.exit, 1);
  const auto json = nlohmann::json::parse(said.out);
  test::expect_keys(json, {"machine", "summary", "complaints", "busbw_gbps", "prompt_tokens_a_second", "findings", "fine", "warnings"});
  EXPECT_EQ(json["complaints"], 1);
  EXPECT_EQ(json["findings"][0]["name"], "machine.unread");
  EXPECT_EQ(json["findings"][0]["what"], "no GPU can be seen on this machine") << said.out;
}

TEST(DoctorCommand, ARecordIsReadBackAndAlsoByTopoDetect) {
  const auto again = test::scratch("again.json");
  ASSERT_EQ(p2plab("doctor --facts tests/data/h200x4_facts.json --record '" + again.string() + "'").exit, 0);
  EXPECT_EQ(json_of("doctor --json --facts '" + again.string() + "'"), json_of("doctor --json --facts tests/data/h200x4_facts.json"));
  EXPECT_EQ(p2plab("topo detect --facts '" + again.string() + "'").exit, 0);
}

// Each probe runs in a process that the program starts of itself.
TEST(DoctorCommand, ProbesEveryPairInAProcessOfItsOwn) {
  const auto json = json_of("doctor --facts tests/data/h200x4_facts.json --probe host --json");
  ASSERT_EQ(json["probes"].size(), 5U * 12 + 6 + 3);
  for (const auto& probe : json["probes"]) EXPECT_EQ(probe["data"], "right") << probe;
  EXPECT_EQ(p2plab("doctor --facts tests/data/h200x4_facts.json --probe cuda").exit, 2) << "a recorded machine has no GPUs to try";
}

}  // namespace
}  // namespace p2plab
