// SPDX-License-Identifier: Apache-2.0
// The settings file: every key has a variable, every mistake its place, and what a path means does not depend on who reads it.
#include "p2plab/detail/settings.h"

#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace p2plab::settings_test {
namespace {

std::string written(const std::string& text) {
  const auto path = test::scratch("settings.yaml");
  std::ofstream(path) << text;
  return path.string();
}

std::string mistakes(const std::string& text) {
  const auto file = read_settings_file(written(text));
  return file ? "accepted" : describe(file.error());
}

TEST(Settings, EachKeySaysWhatItsVariableWould) {
  const auto table = test::scratch("a.yaml");
  for (const auto& empty : {table, test::scratch("b.yaml")}) std::ofstream(empty).close();
  const auto file =
      read_settings_file(written("library:\n"
                                 "  backend: p2p\n"
                                 "  deadline: 0.5\n"
                                 "  prepare: [\"all_reduce:bfloat16:sum:1KiB-1MiB\", \"all_gather:64KiB\"]\n"
                                 "  tuned: [a.yaml, b.yaml]\n"
                                 "  nccl: libnccl.so.2\n"
                                 "  nvrtc: lib/libnvrtc.so\n"
                                 "shim:\n"
                                 "  disable: true\n"
                                 "monitor:\n"
                                 "  level: off\n"));
  ASSERT_TRUE(file) << describe(file.error());
  const auto folder = table.parent_path().string() + "/";
  const auto value = [&](const char* variable) { return file->by_variable.at(variable).value; };
  EXPECT_EQ(value("P2PLAB_BACKEND"), "p2p");
  EXPECT_EQ(value("P2PLAB_DEADLINE"), "0.5");
  EXPECT_EQ(value("P2PLAB_PREPARE"), "all_reduce:bfloat16:sum:1KiB-1MiB,all_gather:64KiB");
  EXPECT_EQ(value("P2PLAB_TUNED"), folder + "a.yaml:" + folder + "b.yaml");
  EXPECT_EQ(value("P2PLAB_NCCL"), "libnccl.so.2");  // the loader's to find
  EXPECT_EQ(value("P2PLAB_NVRTC"), folder + "lib/libnvrtc.so");
  EXPECT_EQ(value("P2PLAB_DISABLE"), "1");
  EXPECT_EQ(value("P2PLAB_MONITOR"), "off");
  EXPECT_EQ(file->by_variable.size(), 8U);
}

TEST(Settings, EveryMistakeIsToldWithItsPlaceAndTheNearestName) {
  const auto said =
      mistakes("libary:\n  order: any\nlibrary:\n  dedline: 3\n  order: mixed\n  deadline: soon\nshim:\n  join: [1, 2]\n  disable: perhaps\n");
  EXPECT_NE(said.find("settings.yaml:1:1: error: unknown key 'libary'"), std::string::npos) << said;
  EXPECT_NE(said.find("did you mean 'library'?"), std::string::npos) << said;
  EXPECT_NE(said.find("settings.yaml:4:3: error: unknown key 'dedline'"), std::string::npos) << said;
  EXPECT_NE(said.find("settings.yaml:5:10: error: library.order is 'mixed': it can be any, fixed"), std::string::npos) << said;
  EXPECT_NE(said.find("settings.yaml:6:13: error: library.deadline is 'soon': it must be a number from 0.1 to 86400"), std::string::npos) << said;
  EXPECT_NE(said.find("settings.yaml:8:9: error: shim.join is one value, not a list"), std::string::npos) << said;
  EXPECT_NE(said.find("settings.yaml:9:12: error: expected true or false"), std::string::npos) << said;
  EXPECT_NE(mistakes("library: {tuned: nowhere.yaml}\n").find("nowhere.yaml' cannot be read"), std::string::npos);
  EXPECT_NE(mistakes("nccl: {tuner_file: nowhere.csv}\n").find("nowhere.csv' cannot be read"), std::string::npos);
  EXPECT_NE(mistakes("nccl: {tuner_file: [a, b]}\n").find("nccl.tuner_file is one value, not a list"), std::string::npos);
  EXPECT_FALSE(read_settings_file("/no/such/settings.yaml"));
}

TEST(Settings, TheExampleIsAFileThatSaysNothingYetAndNamesEachKey) {
  const auto file = read_settings_file(written(example_settings()));
  ASSERT_TRUE(file) << describe(file.error());
  EXPECT_TRUE(file->by_variable.empty());
  std::set<std::string_view> variables;
  for (const auto& rule : setting_rules()) {
    EXPECT_TRUE(variables.insert(rule.variable).second);
    EXPECT_EQ(example_settings().find(rule.variable) != std::string::npos, !rule.key.empty()) << rule.variable;
  }
  for (const auto* nothing : {"", "# library: {order: fixed}\n\n  # nothing", "\n"}) EXPECT_TRUE(read_settings_file(written(nothing)));
}

}  // namespace
}  // namespace p2plab::settings_test
