// SPDX-License-Identifier: Apache-2.0
// p2plab doctor from the command line: records, reports, exit codes.
#include <nlohmann/json.hpp>

#include "cli/machines/verdict_file.h"
#include "program.h"

namespace p2plab::doctor_test {
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
  test::expect_keys(untried, {"format", "version", "machine", "driver", "gpus", "complaints", "findings", "tried_on", "pairs"});
  EXPECT_EQ(untried["findings"][0]["name"], "nvlink.down");
  EXPECT_EQ(untried["gpus"].size(), 4U);
  ASSERT_EQ(untried["pairs"].size(), 12U);
  EXPECT_TRUE(untried["pairs"][0]["granted"]);
  EXPECT_TRUE(untried["pairs"][0]["works"].is_null()) << "nobody tried it";
  EXPECT_TRUE(untried["tried_on"].is_null());
  const auto tried = write(" --probe host");
  EXPECT_EQ(tried["tried_on"], "host");
  for (const auto& pair : tried["pairs"]) {
    EXPECT_TRUE(pair["works"].is_null()) << "CPU memory says nothing of GPUs";
    EXPECT_EQ(pair["ways"].size(), 7U);
    EXPECT_EQ(pair["ways"]["stores"], "right");
  }
}

TEST(DoctorCommand, APairWorksWhereAllThatItTakesPartInIsRight) {
  const auto works = [](const char* access, int from, int to, const char* data) {
    MachineFacts facts;
    facts.cuda.resize(4);
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        if (i != j) facts.peers.push_back({.from = i, .to = j, .access = true});
      }
    }
    auto probes = nlohmann::ordered_json::array();
    for (const auto& peer : facts.peers) probes.push_back({{"access", "stores"}, {"from", peer.from}, {"to", peer.to}, {"data", "right"}});
    probes.push_back({{"access", access}, {"from", from}, {"to", to}, {"data", data}});
    std::string broken;
    const auto verdict = nlohmann::json::parse(cli::verdict_json(facts, {}, probes, "cuda"));
    for (const auto& pair : verdict["pairs"]) {
      if (!pair["works"].get<bool>()) broken += std::to_string(pair["from"].get<int>()) + std::to_string(pair["to"].get<int>()) + " ";
    }
    return broken;
  };
  EXPECT_EQ(works("atomics", 1, 2, "has none"), "");
  EXPECT_EQ(works("flag", 1, 2, "flag first"), "12 ");
  EXPECT_EQ(works("both_ways", 1, 2, "lost"), "12 21 ");
  EXPECT_EQ(works("all_at_once", 0, 3, "hangs"), "03 10 21 32 ");
}

// A verdict of an earlier run must not stay: engines would go by it.
TEST(DoctorCommand, AMachineThatCannotBeReadHasAVerdictThatSaysSo) {
  const auto file = test::scratch("verdict.json");
  std::ofstream(file) << R"({"pairs": [{"works": true}]})";
  EXPECT_EQ(p2plab("doctor --facts /no/such/file --verdict '" + file.string() + "'").exit, 1);
  const auto verdict = nlohmann::json::parse(test::content(file));
  EXPECT_EQ(verdict["findings"][0]["name"], "machine.unread");
  EXPECT_EQ(verdict["complaints"], 1);
  EXPECT_TRUE(verdict["pairs"].empty());
  EXPECT_NE(p2plab("doctor --model llama-7000b --facts /no/such/file").err.find("llama-7000b"), std::string::npos) << "it is looked up first";
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
}  // namespace p2plab::doctor_test
