// SPDX-License-Identifier: Apache-2.0
// The commands that plan: what they find, and what their JSON holds.
#include <fstream>
#include <regex>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::planning_test {
namespace {

using test::expect_keys;
using test::json_at_once;
using test::json_of;
using test::p2plab;

TEST(Plan, ADeadlineGivesTheBestPlanSoFarAndItsGap) {
  const auto hurried = json_at_once("plan --topology mi250x --collective all_gather --algorithm forest");
  EXPECT_EQ(hurried["verified"], true);
  EXPECT_LT(hurried["optimality"], 1);
  const auto patient = json_of("plan --topology mi250x --collective all_gather --algorithm forest --time-limit 60 --json");
  EXPECT_NEAR(patient["optimality"].get<double>(), 1, 1e-9);
  for (const auto* wrong : {"-1", "none", "1e9"}) EXPECT_EQ(p2plab(std::string{"plan --topology mi250x --time-limit "} + wrong).exit, 2) << wrong;
  const auto former = p2plab("plan --topology mi250x --collective all_gather --algorithm forest --profile ideal --deadline 60");
  EXPECT_EQ(former.exit, 0);
  EXPECT_EQ(former.err, "warning: --deadline is now called --time-limit\n");
  EXPECT_EQ(p2plab("plan --topology mi250x --deadline 0 --time-limit 1").exit, 2);
}

TEST(PlanCommand, JsonHasTheFixedKeysAndARingOnAnHgxMovesTwoTimesSevenEighths) {
  const auto json = json_of("plan --topology hgx-h200 --collective all_reduce --size '64 MiB' --algorithm ring --json");
  expect_keys(json, {"algorithm", "collective", "ranks", "size_bytes", "steps", "chunks", "trees_per_root", "height", "verified", "algbw_gbps",
                     "bound_gbps", "optimality", "predicted_us", "bound_us", "synthesis_s"});
  EXPECT_EQ(json["ranks"], 8);
  EXPECT_EQ(json["size_bytes"], 64 << 20);
  EXPECT_EQ(json["verified"], true);
  EXPECT_NEAR(json["algbw_gbps"].get<double>(), 450 / (2 * 7 / 8.0), 1e-3);  // each port of 450 GB/s carries 2 (n-1)/n payloads
}

// A plan as somebody writes it: without a fingerprint.
TEST(PlanCommand, ChecksAPlanMadeByHand) {
  const auto file = test::scratch("by_hand.json");
  const auto made = json_of("plan --topology hgx-h200:gpus=2 --algorithm ring --size '1 MiB' --profile ideal --json --out '" + file.string() + "'");
  auto plan = nlohmann::ordered_json::parse(test::content(file));
  plan.erase("fingerprint");
  std::ofstream(file) << plan.dump(2);
  const auto checked = json_of("plan --check '" + file.string() + "' --profile ideal --json");
  EXPECT_EQ(checked["verified"], true);
  EXPECT_EQ(checked["predicted_us"], made["predicted_us"]);
  EXPECT_EQ(checked["steps"], 4);
  plan["steps"].erase(3);
  std::ofstream(file) << plan.dump(2);
  const auto wrong = p2plab("plan --check '" + file.string() + "'");
  EXPECT_EQ(wrong.exit, 3);
  EXPECT_NE(wrong.err.find("by_hand.json: error: at the end rank 0 output[1] must hold the contributions of {0, 1}"), std::string::npos) << wrong.err;
  EXPECT_EQ(p2plab("plan --check x.json --topology hgx-h200").exit, 2);
  const auto neither = p2plab("plan");
  EXPECT_EQ(neither.exit, 2);
  EXPECT_NE(neither.err.find("--topology (or --check) is required"), std::string::npos) << neither.err;
}

// As `topo show` and `advise` do.
TEST(Commands, TakeTheMachineByItsNameAlone) {
  for (const std::string command : {"plan", "bound", "frontier --chunks 1", "place --gpus 4"}) {
    const auto named = json_of(command + " dgx-v100 --json");
    const auto by_option = json_of(command + " --topology dgx-v100 --json");
    for (const auto& [key, value] : by_option.items()) {
      if (key == "synthesis_s" || key == "seconds") continue;
      EXPECT_EQ(named[key], value) << command << ": " << key;
    }
  }
  EXPECT_EQ(p2plab("bound dgx-v100 dgx-a100").exit, 2);
  EXPECT_EQ(p2plab("plan dgx-v100 --check x.json").exit, 2);
}

TEST(PlanCommand, OnlyTheRanksAskedForTakePart) {
  const auto json = json_of("plan --topology hgx-h200 --collective all_gather --ranks 1,3,4 --size '3 MiB' --algorithm one_shot --in-place --json");
  EXPECT_EQ(json["ranks"], 3);
  EXPECT_EQ(json["height"], 1);
}

TEST(PlanCommand, FiveGpusOfADgx1HaveNoRing) {
  const auto ran = p2plab("plan --topology dgx-v100:gpus=5 --algorithm ring");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("ring"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.out, "");
}

// A program file whose first waits are lost.
std::string without_a_wait(const std::string& program) {
  return std::regex_replace(program, std::regex(R"(,\[\[\d+,\d+\](,\[\d+,\d+\])*\]\])"), ",[]]", std::regex_constants::format_first_only);
}

// A plan that promises one order of sums keeps it, or is refused; one that cannot is not made.
TEST(PlanCommand, PromisesOneOrderOfSumsAndVerifyHoldsItToThat) {
  const auto file = test::scratch("ordered.json").string();
  const std::string plan = "plan --topology hgx-h200:gpus=3 --collective all_reduce --size '64 KiB' --order fixed ";
  const auto made = p2plab(plan + "--out " + file);
  ASSERT_EQ(made.exit, 0) << made.err;
  EXPECT_NE(made.out.find("order of sums     0+1+2, for every element"), std::string::npos) << made.out;
  EXPECT_EQ(json_of("verify " + file + " --json")["order"], "0+1+2");
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  text.replace(text.find("0+1+2"), 5, "(0+1)+2");
  std::ofstream(file) << text;
  const auto broken = p2plab("verify " + file);
  EXPECT_EQ(broken.exit, 3);
  EXPECT_NE(broken.err.find("the plan promises to add in the order (0+1)+2; it adds in the order 0+1+2"), std::string::npos) << broken.err;
  const auto ring = p2plab(plan + "--algorithm ring");
  EXPECT_EQ(ring.exit, 1);
  EXPECT_NE(ring.err.find("ring: sums are not made in one order"), std::string::npos) << ring.err;
}

TEST(VerifyCommand, ProvesAProgramAndNamesTheInstructionOfOneThatIsNotInOrder) {
  const auto file = test::scratch("program.json").string();
  ASSERT_EQ(
      p2plab("plan --topology hgx-h200:gpus=4 --collective all_reduce --size '64 KiB' --dtype float16 --algorithm two_shot --program " + file).exit,
      0);
  const auto json = json_of("verify " + file + " --json");
  expect_keys(json, {"verified", "collective", "ranks", "size_bytes", "lanes", "instructions", "accesses", "ordered_pairs", "in_place"});
  EXPECT_EQ(json["verified"], true);
  EXPECT_EQ(json["size_bytes"], 64 << 10);
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  ASSERT_NE(without_a_wait(text), text);
  std::ofstream(file) << without_a_wait(text);
  const auto ran = p2plab("verify " + file);
  EXPECT_EQ(ran.exit, 3);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("error: lane 3, instruction 0 (step 12, rank 0) reads bytes 0 to 16384 of the scratch of rank 0, where nothing has been "
                         "written in this call"),
            std::string::npos)
      << ran.err;
}

// A program file takes the time of the plan that it was made of, and its data come out right.
TEST(ProgramFile, IsSimulatedAndRunAsThePlanItWasMadeOf) {
  for (const char* protocol : {"simple", "lamport"}) {
    const auto plan = test::scratch("plan.json").string();
    const auto program = test::scratch("program.json").string();
    const auto tuned = std::string{protocol} == "simple" ? " --profile ideal --size '1 MiB'" : " --profile h200 --size '16 KiB'";
    ASSERT_EQ(p2plab("plan --topology hgx-h200:gpus=3 --dtype float16 --algorithm two_shot" + std::string{tuned} + " --out " + plan + " --program " +
                     program)
                  .exit,
              0);
    const auto of_plan = json_of("simulate " + plan + " --profile h200 --json");
    const auto of_program = json_of("simulate " + program + " --profile h200 --json");
    EXPECT_EQ(of_program["predicted_us"], of_plan["predicted_us"]) << protocol;
    EXPECT_EQ(of_program["slack_us"], of_plan["slack_us"]) << protocol;
    const auto ran = json_of("bench --executor host --plan " + program + " -n 2 --json");
    ASSERT_EQ(ran["results"].size(), 1U);
    EXPECT_EQ(ran["results"][0]["size"], of_plan["size_bytes"]);
    EXPECT_EQ(ran["results"][0]["out_of_place"]["nwrong"], 0);
    EXPECT_TRUE(ran["results"][0]["in_place"]["time"].is_null());
    EXPECT_EQ(p2plab("simulate " + program + " --topology hgx-h200:gpus=3").exit, 2);
  }
}

TEST(BoundCommand, AllGatherOnADgx1V100NeedsSevenOver150SecondsPerByte) {
  const auto json = json_of("bound --topology dgx-v100 --collective all_gather --json");
  expect_keys(json, {"collective", "ranks", "algbw_gbps", "inverse_rate", "cut", "latency_steps"});
  EXPECT_EQ(json["inverse_rate"], "7/150");
}

TEST(BoundCommand, ASwitchThatMulticastsAndReducesLetsAllReducePassOnce) {
  const auto json = json_of("bound --topology hgx-a100 --in-network all --json");
  EXPECT_EQ(json["inverse_rate"], "1/300");
  EXPECT_EQ(json["reduce"], nlohmann::json({"nvswitch0"}));
  EXPECT_EQ(json_of("bound --topology hgx-a100 --multicast nvswitch --json")["inverse_rate"], "7/1200");
  const auto wrong = p2plab("bound --topology hgx-a100 --in-network nvswitch1");
  EXPECT_EQ(wrong.exit, 1);
  EXPECT_NE(wrong.err.find("unknown switch 'nvswitch1'"), std::string::npos) << wrong.err;
}

TEST(PlanCommand, AGpuThatCannotBeReachedIsNamedWithTheCut) {
  const auto machine = test::scratch("apart.yaml");
  std::ofstream(machine)
      << "version: 1\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}, {name: c, kind: gpu}]\nlinks: [{between: [a, b], bandwidth: 1 GB/s}]\n";
  for (const std::string command : {"bound", "plan --algorithm forest", "plan", "frontier", "tune --profile ideal"}) {
    const auto ran = p2plab(command + " --topology '" + machine.string() + "'");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("c cannot be reached from a, not even by relaying through other GPUs"), std::string::npos) << command << ran.err;
  }
  EXPECT_NE(p2plab("bound --topology '" + machine.string() + "'").err.find("no link leads out of {a, b}"), std::string::npos);
  EXPECT_NE(p2plab("plan --topology dgx-v100 --collective broadcast --root 9").err.find("root 9 is out of range 0..7"), std::string::npos);
  EXPECT_NE(p2plab("plan --topology dgx-v100 --collective broadcast --root 5 --ranks 0,1,2").err.find("root 5 is not in the process group"),
            std::string::npos);
}

// Seven GPUs on a switch reach their own bound; the plan says what is done, so options that say otherwise are a wrong use.
TEST(PlanCommand, RepairsAPlanOnAMachineThatLostAGpu) {
  const auto old = test::scratch("old.json");
  json_of("plan --topology hgx-h200 --collective all_gather --size 56MiB --algorithm forest --json --out " + old.string());
  const auto json = json_of("plan --topology hgx-h200:gpus=7 --repair " + old.string() + " --json");
  EXPECT_EQ(json["ranks"], 7);
  EXPECT_EQ(json["collective"], "all_gather");
  EXPECT_EQ(json["algorithm"], "forest");
  EXPECT_NEAR(json["optimality"].get<double>(), 1, 1e-6);
  EXPECT_EQ(p2plab("plan --topology hgx-h200 --size 1MiB --repair " + old.string()).exit, 2);
}

// No time at all: the first plan, which says how far it is from what cuts allow.
TEST(PlanCommand, WithoutTimeGivesTheFirstPlanAndItsGap) {
  const auto json = json_at_once("plan --topology mi250x --collective all_gather --size 16MiB --algorithm forest");
  EXPECT_EQ(json["verified"], true);
  EXPECT_LT(json["optimality"].get<double>(), 1);
  EXPECT_NE(json["reason"].get<std::string>().find("% of the bound"), std::string::npos) << json["reason"];
}

// Both quads of a DGX-1 have 18 NVLinks among themselves, 9 of which an all-reduce can fill each way: 4.5 NVLinks of 25 GB/s at each GPU.
TEST(PlaceCommand, TheBestFourOfADgx1V100AreAQuad) {
  const auto json = json_of("place --topology dgx-v100 --gpus 4 --json");
  const auto& best = json["placements"].at(0);
  EXPECT_DOUBLE_EQ(best["busbw_gbps"], 112.5);
  EXPECT_EQ(best["alike"], 2);
  const auto ran = p2plab("place --topology dgx-v100 --gpus 4");
  EXPECT_NE(ran.out.find("14 subsets have GPUs that cannot reach each other"), std::string::npos) << ran.out;
}

TEST(PlanCommand, SaysHowFarFromTheBoundsItIsAndWhatProvesThem) {
  const auto json = json_of("plan --topology dgx-v100 --collective all_gather --size '8 MiB' --algorithm forest --json");
  EXPECT_EQ(json["optimality"], 1.0);
  EXPECT_EQ(json["cut"].size(), 7U);  // the bytes of seven GPUs must leave them, into the eighth's six lanes: 7/150
  EXPECT_NE(json["argument"].get<std::string>().find("must leave"), std::string::npos);
  EXPECT_NEAR(json["gap_pct"].get<double>(), (json["predicted_us"].get<double>() / json["bound_us"].get<double>() - 1) * 100, 1e-3);
  // Thread blocks get 86.8 % of these links, says profile v100.
  EXPECT_NEAR(json["bound_at_link_rates_us"].get<double>(), json["bound_us"].get<double>() / 0.868, 0.02 * json["bound_us"].get<double>());
  EXPECT_LE(json["bound_at_link_rates_us"].get<double>(), json["predicted_us"].get<double>());
  const auto text = p2plab("plan --topology dgx-v100 --collective all_gather --size '8 MiB' --algorithm latency").out;
  EXPECT_NE(text.find("gap to bounds"), std::string::npos) << text;
  EXPECT_NE(text.find("proof of bound   the bytes of 7 GPUs must leave"), std::string::npos) << text;
}

TEST(FrontierCommand, ListsChunksStepsAndRoundsOfADgx1) {
  const auto json = json_of("frontier --topology dgx-v100 --collective broadcast --json");
  expect_keys(json, {"collective", "ranks", "unit_gbps", "exact", "least_steps", "least_ratio", "complete", "seconds", "points"});
  ASSERT_EQ(json["points"].size(), 2U);
  EXPECT_EQ(json["points"][1]["chunks"], 7);
  EXPECT_EQ(json["points"][1]["rounds"], 3);
  EXPECT_EQ(json["points"][1]["proved"], true);
  EXPECT_NE(p2plab("frontier --topology ring --collective all_gather").out.find("2      4      7"), std::string::npos);
  EXPECT_EQ(p2plab("frontier --topology ring --chunks 0").exit, 2);
  EXPECT_EQ(p2plab("frontier --topology no-such-machine").exit, 1);
}

TEST(TuneCommand, TimesPlansOnAnExecutorAndMakesNoTableOfAnIdealMachineUnasked) {
  const auto table = json_of("tune --topology hgx-h200:gpus=2 --executor host --sizes '1 KiB..64 KiB' --factor 64 --json");
  EXPECT_EQ(table["measured_on"]["executor"], "host");
  EXPECT_EQ(table["bands"][0]["sizes"][0]["use"], "p2plab");
  const auto unasked = p2plab("tune --topology ring:gpus=3 --sizes '1 KiB..1 KiB'");
  EXPECT_EQ(unasked.exit, 1);
  EXPECT_NE(unasked.err.find("nothing tells what this machine's GPUs cost"), std::string::npos) << unasked.err;
  EXPECT_EQ(p2plab("tune --topology ring:gpus=3 --profile ideal --sizes '1 KiB..1 KiB'").exit, 0);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --executor nccl").exit, 1);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --executor host --gpu").exit, 2);
  EXPECT_NE(p2plab("plan --topology hgx-h200:gpus=2").err.find("times by profile h200"), std::string::npos);
}

TEST(TuneCommand, WritesATableThatRunsTakeAndRefusesBadSizes) {
  const auto file = test::scratch("tuned.yaml");
  const auto tuned =
      p2plab("tune --topology hgx-h200:gpus=4 --collective all_reduce --sizes '1 KiB..1 MiB' --factor 32 --out '" + file.string() + "'");
  ASSERT_EQ(tuned.exit, 0) << tuned.err;
  EXPECT_NE(tuned.out.find("runner-up"), std::string::npos);
  const auto config = test::scratch("config.yaml");
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h200, gpus: 4}\ncollectives: [all_reduce]\nalgorithms: [{name: tuned, file: "
                           "tuned.yaml}]\nsizes: [2 KiB]\n";
  const auto ran = p2plab("run '" + config.string() + "'");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("tuned file=tuned.yaml"), std::string::npos) << ran.out;
  const auto json = json_of("tune --topology hgx-h200:gpus=2 --sizes '1 KiB..1 KiB' --json");
  expect_keys(json, {"p2plab_tuned", "collective", "ranks", "machine", "fingerprint", "dtype", "op", "in_place", "profile", "sizes", "bands"});
  EXPECT_EQ(json["profile"], "h200");
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes 1KiB").exit, 2);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes '1 MiB..1 KiB'").exit, 2);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes '1 B..1 KiB'").exit, 1);
}

// One call's latencies are hidden by the calls before it: what a call takes in a row may be below what one must take.
TEST(PlanCommand, ComparesOneCallsBoundWithOneCall) {
  const auto json = json_of("plan torus:dims=3x5 --collective scatter --algorithm tree --root 7 --size '1 KiB' --profile ideal --json");
  const auto bound = json["bound_us"].get<double>();
  ASSERT_LT(json["predicted_us"].get<double>(), bound);
  const auto alone = json["alone_us"].get<double>();
  EXPECT_GE(alone, bound);
  EXPECT_NEAR(json["gap_pct"].get<double>(), (alone / bound - 1) * 100, 1e-3);
  EXPECT_TRUE(json_of("plan dgx-v100 --size '1 MiB' --algorithm ring --profile ideal --json")["alone_us"].is_null());
  // Above the bound, and below what counts flags and steps, too.
  const auto counting = json_of("plan ring:gpus=5 --collective broadcast --algorithm tree --root 1 --size '128 B' --profile h200 --json");
  const auto floor = counting["latency_bounds"]["packets"]["us"].get<double>();
  ASSERT_EQ(counting["kind"], "packets");
  ASSERT_GT(counting["predicted_us"].get<double>(), counting["bound_us"].get<double>());
  ASSERT_LT(counting["predicted_us"].get<double>(), floor);
  EXPECT_GE(counting["alone_us"].get<double>(), floor);
}

}  // namespace
}  // namespace p2plab::planning_test
