// SPDX-License-Identifier: Apache-2.0
// What a user does not say: costs by the machine's GPUs, types by any of their names, an exit code that tells whether what was asked was done.
#include <fmt/format.h>

#include "program.h"

namespace p2plab::defaults_test {
namespace {

using test::json_of;
using test::p2plab;

std::string config(const std::string& more) {
  const auto file = test::scratch("config.yaml");
  std::ofstream(file) << "version: 1\ntopology: {preset: hgx-h200, gpus: 4}\ncollectives: [all_reduce]\nsizes: [64 KiB]\n" << more;
  return "run '" + file.string() + "'";
}

// Times of two_shot and auto at 64 KiB.
std::vector<double> predicted(const std::string& executors) {
  std::vector<double> times;
  const auto report = test::json_of(config("algorithms: [two_shot, auto]\nexecutors: [" + executors + "]\n") + " --json");
  for (const auto& row : report["rows"]) {
    if (row["executor"] == "simulator") times.push_back(row["predicted_us"]);
  }
  return times;
}

TEST(Defaults, CostsAreThoseOfTheMachinesGpusAndEveryOutputSaysWhich) {
  const auto run = config("algorithms: [one_shot]\nexecutors: [simulator]\n");
  EXPECT_NE(p2plab(run).out.find("Predicted with profile h200"), std::string::npos);
  EXPECT_EQ(test::json_of(run + " --json")["provenance"]["profile"], "h200");
  const auto folder = test::scratch("out").string();
  ASSERT_EQ(p2plab(run + " --out '" + folder + "'").exit, 0);
  EXPECT_NE(test::content(folder + "/report.csv").find(",hgx-h200,h200\n"), std::string::npos);
  EXPECT_NE(test::content(folder + "/report.html").find("predicted with profile h200"), std::string::npos);
  EXPECT_NE(p2plab("plan --topology hgx-h200:gpus=4 --size 4KiB").err.find("times by profile h200"), std::string::npos);
  const auto tuned = p2plab("tune --topology hgx-h200:gpus=4 --sizes 4KiB..4KiB");
  EXPECT_NE((tuned.out + tuned.err).find("h200"), std::string::npos);
}

TEST(Defaults, AnExecutorThatIsNotThereChangesNoPrediction) {
  const auto alone = predicted("simulator");
  ASSERT_EQ(alone.size(), 2U);
  EXPECT_EQ(predicted("simulator, cuda"), alone);
  EXPECT_EQ(predicted("simulator, host, nccl"), alone);
}

TEST(Defaults, TypesGoByAllTheirNames) {
  for (const auto& [name, type] : {std::pair{"half", "float16"}, {"fp16", "float16"}, {"bf16", "bfloat16"}, {"float", "float32"}}) {
    const auto ran = p2plab(config(fmt::format("algorithms: [ring]\nexecutors: [simulator]\ndtype: {}\n", name)));
    EXPECT_NE(ran.out.find(fmt::format("all_reduce of {} among", type)), std::string::npos) << name << ran.err;
    EXPECT_EQ(p2plab(fmt::format("plan --topology hgx-h200:gpus=4 --algorithm ring --dtype {}", name)).exit, 0) << name;
    EXPECT_EQ(p2plab(fmt::format("bench --executor host -g 2 -b 1K -e 1K -n 1 -d {}", name)).exit, 0) << name;
  }
}

TEST(Defaults, TheExitCodeSaysWhetherWhatWasAskedWasDone) {
  const auto some = config("algorithms: [ring]\nexecutors: [simulator]\n");
  EXPECT_EQ(p2plab(some).exit, 0);
  EXPECT_EQ(p2plab(some + " --strict").exit, 0);
  // A DGX-1 without three of its GPUs has no ring.
  const auto file = test::scratch("no_ring.yaml");
  const auto write = [&](const std::string& algorithms) {
    std::ofstream(file) << "version: 1\ntopology: {preset: dgx-v100}\nmask: {gpus: [gpu5, gpu6, gpu7]}\ncollectives: [all_reduce]\nsizes: [64 KiB]\n"
                        << "executors: [simulator]\nalgorithms: " << algorithms << '\n';
    return "run '" + file.string() + "'";
  };
  const auto partly = write("[ring, tree]");
  EXPECT_EQ(p2plab(partly).exit, 0);
  const auto strict = p2plab(partly + " --strict");
  EXPECT_EQ(strict.exit, 1);
  EXPECT_NE(strict.err.find("not all that was asked for was done"), std::string::npos) << strict.err;
  const auto nothing = p2plab(write("[ring]"));
  EXPECT_EQ(nothing.exit, 1);
  EXPECT_NE(nothing.err.find("nothing that was asked for could be done"), std::string::npos) << nothing.err;
}

TEST(Defaults, ALongRingIsNotWrittenOutToItsEnd) {
  const auto ran = p2plab("plan --topology ring:gpus=64 --algorithm ring --size 64KiB");
  EXPECT_NE(ran.out.find("0-1-2-3-4-5-6-7-...-63"), std::string::npos) << ran.out;
}

// The profile is that of the machine's GPUs where nobody says another, and every output names it.
TEST(Defaults, TimesAreByTheProfileOfTheGpusWhichEveryOutputNames) {
  const auto plan = test::scratch("named_plan.json").string();
  ASSERT_EQ(p2plab("plan --topology hgx-a100:gpus=2 --size 64KiB --algorithm ring --out '" + plan + "'").exit, 0);
  for (const std::string command :
       {"plan --topology hgx-a100:gpus=2 --size 64KiB --algorithm ring", "simulate PLAN", "what-if PLAN", "advise hgx-a100:gpus=2",
        "place --topology hgx-a100:gpus=2 --model llama-8b --memory 80", "tune --topology hgx-a100:gpus=2 --sizes 64KiB..64KiB"}) {
    auto whole = command;
    if (const auto at = whole.find("PLAN"); at != std::string::npos) whole.replace(at, 4, "'" + plan + "'");
    EXPECT_NE(p2plab(whole).out.find("profile a100"), std::string::npos) << command << p2plab(whole).err;
    EXPECT_EQ(json_of(whole + " --json")["profile"], "a100") << command;
    EXPECT_NE(p2plab(whole + " --profile ideal").out.find("profile ideal"), std::string::npos) << command;
  }
  EXPECT_NE(p2plab("bench --executor host -g 2 -b 1K -e 1K -n 1").out.find("chosen by profile "), std::string::npos);
  EXPECT_NE(p2plab("run configs/4gpu_pcie_pairs.yaml").out.find("Predicted with profile pcie4"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::defaults_test
