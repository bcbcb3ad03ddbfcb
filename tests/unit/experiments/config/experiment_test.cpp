// SPDX-License-Identifier: Apache-2.0
// Configs as values: defaults, ranges, and that every mistake of a file is found in one run.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "p2plab/experiment/experiment.h"
#include "support/scratch.h"

namespace p2plab::experiment_test {
namespace {

Result<Experiment> read(const std::string& text) {
  const auto path = test::scratch("experiment_test.yaml").string();
  std::ofstream(path) << text;
  return load_experiment(path);
}

const std::string head = "version: 1\ntopology: {preset: hgx-h200, gpus: 4}\ncollectives: [all_reduce]\nalgorithms: [one_shot]\n";

// The error itself and those found with it.
std::size_t mistakes(const Error& error) { return 1 + error.more.size(); }

TEST(Experiment, WhatIsNotSaidHasItsDefault) {
  const auto experiment = read(head + "sizes: [1 KiB]\n");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  EXPECT_EQ(experiment->name, "experiment_test");
  EXPECT_EQ(experiment->topology.ranks(), 4);
  EXPECT_EQ(experiment->dtype, DataType::float32);
  EXPECT_EQ(experiment->op, ReduceOp::sum);
  EXPECT_EQ(experiment->executors, std::vector<std::string>{"simulator"});
  EXPECT_FALSE(experiment->measure.in_place);
  EXPECT_EQ(experiment->seed, 1U);
}

TEST(Experiment, ARangeHoldsEverySizeFromItsStartToItsEnd) {
  const auto experiment = read(head + "sizes: {from: 1 KiB, to: 512 MiB, factor: 2}\n");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  ASSERT_EQ(experiment->sizes.size(), 20U);  // 2^10 to 2^29
  for (std::size_t s = 0; s < 20; ++s) EXPECT_EQ(experiment->sizes[s], Bytes{std::int64_t{1} << (10 + s)});
}

TEST(Experiment, AListOfSizesIsSortedAndMayHoldZero) {
  const auto experiment = read(head + "sizes: [1 MiB, 0 B, 12 B]\n");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  EXPECT_EQ(experiment->sizes, (std::vector{Bytes{0}, Bytes{12}, Bytes{1 << 20}}));
}

TEST(Experiment, ParametersOfAnAlgorithmMakeItsLabel) {
  const auto experiment = read(
      "version: 1\ntopology: {preset: hgx-h200, gpus: 4}\ncollectives: [all_reduce]\n"
      "algorithms: [one_shot, {name: one_shot, mode: push}]\nsizes: [1 KiB]\n");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  ASSERT_EQ(experiment->algorithms.size(), 2U);
  EXPECT_EQ(experiment->algorithms[0].label(), "one_shot");
  EXPECT_EQ(experiment->algorithms[1].label(), "one_shot mode=push");
}

TEST(Experiment, AMaskTakesGpusAway) {
  const auto experiment = read(head + "sizes: [1 KiB]\nmask: {gpus: [gpu1]}\n");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  EXPECT_EQ(experiment->topology.ranks(), 3);
  EXPECT_EQ(experiment->masked, std::vector<std::string>{"gpu1"});
}

TEST(Experiment, TheDigestFollowsTheBytesOfTheFile) {
  const auto a = read(head + "sizes: [1 KiB]\n");
  const auto b = read(head + "sizes: [1 KiB]\n");
  const auto c = read(head + "sizes: [2 KiB]\n");
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(a->digest, b->digest);
  EXPECT_NE(a->digest, c->digest);
}

TEST(Experiment, AllMistakesOfAFileAreFoundInOneRun) {
  const auto experiment = read(
      "version: 1\ntopology: {preset: hgx-h20}\ncollectives: [all_reduse]\nalgorithms: [rnig]\nsizes: [64]\ndtype: float61\nexecutors: [kuda]\n");
  ASSERT_FALSE(experiment);
  EXPECT_EQ(mistakes(experiment.error()), 6U) << describe(experiment.error());
  const auto text = describe(experiment.error());
  for (const char* hint : {"did you mean 'hgx-h200'?", "did you mean 'all_reduce'?", "did you mean 'ring'?", "did you mean 'float16'?",
                           "did you mean 'cuda'?", ":5:9: "}) {
    EXPECT_NE(text.find(hint), std::string::npos) << hint << '\n' << text;
  }
}

TEST(Experiment, ImpossibleSizesAreMistakes) {
  for (const char* sizes : {"{from: 1 MiB, to: 1 KiB}", "{from: 0 B, to: 1 KiB}", "{from: 1 KiB, to: 2 KiB, factor: 1}", "[3 B]", "[1 KiB, 1 KiB]",
                            "[]", "[9000000 TiB]", "{from: 1 KiB, to: 9000 TiB}", "[-4 B]"}) {
    EXPECT_FALSE(read(head + "sizes: " + sizes + "\n")) << sizes;
  }
}

TEST(Experiment, TheExampleIsGood) {
  const auto experiment = read(example_config());
  EXPECT_TRUE(experiment) << describe(experiment.error());
}

}  // namespace
}  // namespace p2plab::experiment_test
