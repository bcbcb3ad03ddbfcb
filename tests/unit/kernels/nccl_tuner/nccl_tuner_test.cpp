// SPDX-License-Identifier: Apache-2.0
// The tuner plugin without GPUs: every version of the interface, every grammar, and files that are wrong.
#include "support/formats/nccl_tuner.h"

#include <random>

#include <gtest/gtest.h>

#include "nccl_tuner/rules.h"
#include "support/scratch.h"

namespace p2plab::nccl_tuner_test {
namespace {

using test::LoadedTuner;
using test::TunerChoice;
using test::TunerFile;

constexpr int tree = 0;
constexpr int ring = 1;
constexpr int nvls = 4;
constexpr int ll = 0;
constexpr int ll128 = 1;
constexpr int simple = 2;
constexpr TunerChoice ncclsown{ring, ll, 0};  // of the harness's table

const char* const official =
    "# comment\n"
    "allreduce,0,65536,tree,ll128,2,1,8\n"
    "allreduce,65537,1048576,ring,simple,-1,-1,-1,1,-1\n"
    "allreduce,65537,18446744073709551615,nvls,simple,16,1,8,-1,0\r\n"
    "\n"
    "broadcast, 0, 100, ring, simple, 4, -1, -1\n";

TEST(NcclTuner, EveryVersionOfTheInterfaceFollowsTheFile) {
  const TunerFile file(test::scratch("rules.csv"), official);
  for (const int version : {2, 3, 4, 5, 6, 7}) {
    SCOPED_TRACE(version);
    const LoadedTuner tuner(P2PLAB_NCCL_TUNER, version, 8, 1);
    ASSERT_TRUE(tuner.good());
    const auto own = version == 2 ? TunerChoice{} : ncclsown;
    EXPECT_EQ(tuner.ask({.bytes = 0}), (TunerChoice{tree, ll128, 2}));
    EXPECT_EQ(tuner.ask({.bytes = 65536}), (TunerChoice{tree, ll128, 2}));  // bounds are included
    EXPECT_EQ(tuner.ask({.bytes = 65537}), (TunerChoice{ring, simple, 0}));
    EXPECT_EQ(tuner.ask({.bytes = 65537, .operations = 2}), (TunerChoice{nvls, simple, 16}));  // the next rule that fits
    EXPECT_EQ(tuner.ask({.bytes = std::size_t{1} << 40}), (TunerChoice{nvls, simple, 16}));
    EXPECT_EQ(tuner.ask({.function = 0, .bytes = 100}), (TunerChoice{ring, simple, 4}));
    EXPECT_EQ(tuner.ask({.function = 0, .bytes = 101}), own);
    for (const int unknown : {-1, 1, 2, 3, 5, 8, 14, 1000}) EXPECT_EQ(tuner.ask({.function = unknown, .bytes = 100}), own);
    if (version < 4) continue;
    EXPECT_EQ(tuner.ask({.bytes = std::size_t{1} << 30, .registered = 1}), own);
  }
}

TEST(NcclTuner, RulesOfOtherCommunicatorsAreLeftOut) {
  const TunerFile file(test::scratch("rules.csv"), official);
  const LoadedTuner tuner(P2PLAB_NCCL_TUNER, 5, 16, 2);
  EXPECT_EQ(tuner.ask({.bytes = 100}), ncclsown);
  EXPECT_EQ(tuner.ask({.bytes = 65537}), (TunerChoice{ring, simple, 0}));
}

TEST(NcclTuner, WhatNcclHasRuledOutStaysSoAndChannelsStayItsOwn) {
  const TunerFile file(test::scratch("rules.csv"), official);
  const LoadedTuner tuner(P2PLAB_NCCL_TUNER, 5, 8, 1);
  EXPECT_EQ(tuner.ask({.bytes = 100, .impossible = {{tree, ll128}}}), ncclsown);
  EXPECT_NE(test::tuner_log().back().find("NCCL has ruled out tree ll128"), std::string::npos) << test::tuner_log().back();
}

TEST(NcclTuner, EachChoiceIsLoggedOnce) {
  const TunerFile file(test::scratch("rules.csv"), official);
  const LoadedTuner tuner(P2PLAB_NCCL_TUNER, 5, 8, 1);
  ASSERT_EQ(test::tuner_log().size(), 1U);
  EXPECT_NE(test::tuner_log()[0].find("4 of 4 rules of"), std::string::npos) << test::tuner_log()[0];
  for (int i = 0; i < 3; ++i) tuner.ask({.bytes = 100});
  ASSERT_EQ(test::tuner_log().size(), 2U);
  EXPECT_EQ(test::tuner_log()[1], "TUNER/p2plab: rule 2: function 4, 100 bytes -> tree ll128, channels 2 (said once)");
}

// NCCLX's rules count bytes for each rank, and may set the chunk.
TEST(NcclTuner, ReadsMetasGrammarAsCsvAndAsJson) {
  const std::string csv =
      "allgather,[8388608,16777216],ring,ll128,-1,*,*\n"
      "allreduce,(,1024),tree,ll,4,[1,2),(4,],65536\n"
      "allreduce,2048,tree,simple,4,*,*,1,-1,131072\n";
  const std::string json = R"json({"rules": [
    {"filter": {"collective": "allgather", "bytesPerRank": "[8388608,16777216]"}, "config": {"algorithm": "ring", "protocol": "ll128"}},
    {"filter": {"collective": "allreduce", "bytesPerRank": "(,1024)", "nNodes": 1, "nLocalRanks": "(4,]"},
     "config": {"algorithm": "tree", "protocol": "ll", "channels": 4, "chunkSize": 65536}},
    {"filter": {"collective": "allreduce", "bytesPerRank": 2048, "numPipeOps": 1},
     "config": {"algorithm": "tree", "protocol": "simple", "channels": 4, "chunkSize": 131072}}]})json";
  for (const auto& text : {csv, json}) {
    const TunerFile file(test::scratch("rules"), text);
    for (const int version : {6, 7}) {
      const LoadedTuner tuner(P2PLAB_NCCL_TUNER, version, 8, 1);
      EXPECT_EQ(tuner.ask({.function = 2, .bytes = 8 * 8388608}), (TunerChoice{ring, ll128, 0}));
      EXPECT_EQ(tuner.ask({.function = 2, .bytes = 8 * 8388608 - 8}), ncclsown);
      EXPECT_EQ(tuner.ask({.bytes = 8 * 1024 - 8}), (TunerChoice{tree, ll, 4}));
      EXPECT_EQ(tuner.ask({.bytes = 8 * 1024}), ncclsown);
      EXPECT_EQ(tuner.ask({.bytes = 8 * 2048}), (TunerChoice{tree, simple, 4}));
      EXPECT_EQ(tuner.ask({.bytes = 8 * 2048, .operations = 2}), ncclsown);
      EXPECT_EQ(tuner.chunk({.bytes = 8}, tree, ll), std::optional<std::size_t>{65536});
      EXPECT_EQ(tuner.chunk({.bytes = 8}, ring, ll), std::nullopt);
      EXPECT_EQ(tuner.chunk({.bytes = 8 * 2048}, tree, simple), std::optional<std::size_t>{131072});
    }
  }
}

TEST(NcclTuner, AWrongLineIsNamedAndTheOthersHold) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"allreduce,0,10,ring,ll,4,1",
       "expected 8 to 10: collective,min,max,algorithm,protocol,channels,nodes,ranks,operations,registered, found '7 fields'"},
      {"allsqueeze,0,10,ring,ll,4,1,8", "expected a collective: broadcast, reduce, allgather, reducescatter or allreduce, found 'allsqueeze'"},
      {"allreduce,0,10,star,ll,4,1,8", "expected an algorithm: tree, ring, collnet_direct, collnet_chain, nvls, nvls_tree or pat, found 'star'"},
      {"allreduce,0,10,ring,fast,4,1,8", "expected a protocol: ll, ll128 or simple, found 'fast'"},
      {"allreduce,-1,10,ring,ll,4,1,8", "expected the least bytes, found '-1'"},
      {"allreduce,20,10,ring,ll,4,1,8", "the least size is above the largest"},
      {"allreduce,0,10,ring,ll,65,1,8", "expected channels from 1 to 64, or -1, found '65'"},
      {"allreduce,[2,1],ring,ll,4,1,8", "expected bytes such as [0,8192], (1,) or *, found '[2,1]'"},
      {"allreduce,[2,ring,ll,4,1,8",
       "expected 8 to 10: collective,min,max,algorithm,protocol,channels,nodes,ranks,operations,registered, found '2 fields'"},
  };
  for (const auto& [line, message] : wrong) {
    const auto [rules, mistakes] = nccl_tuner::read_rules(line + "\nallreduce,0,10,ring,ll,4,1,8\n");
    EXPECT_EQ(rules.size(), 1U) << line;
    ASSERT_EQ(mistakes.size(), 1U) << line;
    EXPECT_EQ(mistakes[0], "rule at 1 is left out: " + message);
  }
  EXPECT_EQ(nccl_tuner::read_rules("{\"rules\": 3}").mistakes.size(), 1U);
  EXPECT_EQ(nccl_tuner::read_rules("{\"rules\": [3, {\"filter\": {}, \"config\": {\"channels\": [4]}}]}").mistakes.size(), 2U);
  EXPECT_NE(nccl_tuner::read_rules("p2plab_tuned: 1\n").mistakes.at(0).find("--format nccl-tuner"), std::string::npos);
}

TEST(NcclTuner, AMissingFileOrLoggerLeavesEveryChoiceToNccl) {
  setenv("P2PLAB_TUNER_FILE", "/no/such/file", 1);
  for (const int version : {2, 3, 4, 5, 6, 7}) {
    for (const bool logs : {false, true}) {
      const LoadedTuner tuner(P2PLAB_NCCL_TUNER, version, 8, 1, logs);
      ASSERT_TRUE(tuner.good());
      EXPECT_EQ(tuner.ask({.bytes = 100}), version == 2 ? TunerChoice{} : ncclsown);
    }
  }
  unsetenv("P2PLAB_TUNER_FILE");
  const TunerFile file(test::scratch("rules.csv"), official);
  const LoadedTuner silent(P2PLAB_NCCL_TUNER, 5, 8, 1, false);
  EXPECT_EQ(silent.ask({.bytes = 100}), (TunerChoice{tree, ll128, 2}));
}

TEST(NcclTuner, NullPointersAndSmallTablesAreHarmless) {
  const TunerFile file(test::scratch("rules.csv"), official);
  const LoadedTuner tuner(P2PLAB_NCCL_TUNER, 5, 0, 0);
  const auto& v5 = *static_cast<const nccl_tuner::TunerV5*>(tuner.symbol());
  EXPECT_EQ(v5.init(nullptr, 0, 8, 1, nullptr, nullptr, nullptr), nccl_tuner::success);
  EXPECT_EQ(v5.choose(nullptr, 4, 100, 1, nullptr, 7, 3, 0, nullptr), nccl_tuner::success);
  EXPECT_EQ(v5.choose(tuner.context(), 4, 100, 1, nullptr, 7, 3, 0, nullptr), nccl_tuner::success);
  float cost = 5;
  int channels = 0;
  EXPECT_EQ(v5.choose(tuner.context(), 4, 65537, 1, reinterpret_cast<float**>(&cost), 1, 1, 0, &channels), nccl_tuner::success);
  EXPECT_EQ(cost, 5);  // ring, simple lies outside
  EXPECT_EQ(channels, 0);
  EXPECT_EQ(v5.finalize(nullptr), nccl_tuner::success);
}

// Files cut off, changed in single bytes, and of random bytes.
TEST(NcclTuner, NoFileCrashesIt) {
  std::mt19937 random{11};
  const std::array<std::string, 2> seeds{official, R"json({"rules": [{"filter": {"collective": "allreduce", "bytesPerRank": "[0,1)"},
      "config": {"algorithm": "ring", "protocol": "ll", "channels": 4, "chunkSize": 1}}]})json"};
  for (int i = 0; i < 4000; ++i) {
    auto text = seeds[random() % 2];
    text.resize(random() % (text.size() + 1));
    for (auto changes = random() % 8; changes > 0 && !text.empty(); --changes) text[random() % text.size()] = static_cast<char>(random());
    const auto [rules, mistakes] = nccl_tuner::read_rules(text);
    for (const auto& rule : rules) {
      EXPECT_GE(rule.function, 0);
      EXPECT_LT(rule.function, 5);
      EXPECT_LT(rule.algorithm, nccl_tuner::most_algorithms);
      EXPECT_LT(rule.protocol, nccl_tuner::most_protocols);
      EXPECT_LE(rule.bytes.least, rule.bytes.most);
    }
  }
}

}  // namespace
}  // namespace p2plab::nccl_tuner_test
