// Commands, their exit codes, the keys of their JSON, and what a wrong use is told.
#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab {
namespace {

using test::json_of;
using test::p2plab;

// The keys that an object must hold.
void expect_keys(const nlohmann::json& json, const std::vector<std::string>& keys) {
  for (const auto& key : keys) EXPECT_TRUE(json.contains(key)) << key;
}

TEST(Usage, WrongCommandsAndOptionsExitWithTwoAndNameTheNearestValidOne) {
  const auto command = p2plab("rnu configs/8gpu_nvlink.yaml");
  EXPECT_EQ(command.exit, 2);
  EXPECT_NE(command.err.find("did you mean 'run'?"), std::string::npos) << command.err;
  const auto option = p2plab("plan --topolgy dgx-v100");
  EXPECT_EQ(option.exit, 2);
  EXPECT_NE(option.err.find("did you mean '--topology'?"), std::string::npos) << option.err;
  const auto word = p2plab("list algoritms");
  EXPECT_EQ(word.exit, 2);
  EXPECT_NE(word.err.find("did you mean 'algorithms'?"), std::string::npos) << word.err;
  EXPECT_EQ(p2plab("").exit, 2);
  EXPECT_EQ(p2plab("run").exit, 2);
  EXPECT_EQ(p2plab("run a.yaml b.yaml").exit, 2);
  EXPECT_EQ(p2plab("plan --topology dgx-v100 --root zero").exit, 2);
  EXPECT_EQ(p2plab("plan --topology dgx-v100 --set mode").exit, 2);
}

TEST(Usage, BadInputExitsWithOneAndSaysNothingOnStdout) {
  for (const char* arguments :
       {"run no_such_config.yaml", "plan --topology no-such-machine", "plan --topology dgx-v100 --algorithm rnig", "compare no_a no_b",
        "plan --topology dgx-v100 --size 64", "plan --topology dgx-v100 --root 8", "plan --topology dgx-v100 --ranks 0,9",
        "plan --topology dgx-v100 --ranks 0,0", "plan --topology dgx-v100 --collective all", "topo show no-such-machine"}) {
    const auto ran = p2plab(arguments);
    EXPECT_EQ(ran.exit, 1) << arguments << '\n' << ran.err;
    EXPECT_EQ(ran.out, "") << arguments;
    EXPECT_NE(ran.err.find("error: "), std::string::npos) << arguments;
  }
}

TEST(Plan, ADeadlineGivesTheBestPlanSoFarAndItsGap) {
  const auto hurried = json_of("plan --topology mi250x --collective all_gather --algorithm forest --deadline 0.000001 --json");
  EXPECT_EQ(hurried["verified"], true);
  EXPECT_LT(hurried["optimality"], 1);
  const auto patient = json_of("plan --topology mi250x --collective all_gather --algorithm forest --deadline 60 --json");
  EXPECT_NEAR(patient["optimality"].get<double>(), 1, 1e-9);
  EXPECT_EQ(p2plab("plan --topology mi250x --deadline -1").exit, 2);
}

TEST(Usage, EveryCommandHasHelpWithAnExample) {
  for (const char* command : {"",
                              "run",
                              "topo",
                              "topo show",
                              "topo presets",
                              "topo import",
                              "topo detect",
                              "bench",
                              "calibrate",
                              "plan",
                              "bound",
                              "place",
                              "frontier",
                              "tune",
                              "compare",
                              "list",
                              "list algorithms",
                              "list presets",
                              "list executors",
                              "list exporters",
                              "simulate",
                              "what-if",
                              "export",
                              "verify",
                              "config",
                              "config example",
                              "config check"}) {
    const auto ran = p2plab(std::string(command) + " --help");
    EXPECT_EQ(ran.exit, 0) << command << ran.err;
    EXPECT_NE(ran.out.find("Example: p2plab "), std::string::npos) << command << ran.out;
  }
  EXPECT_EQ(p2plab("--version").out, "p2plab 0.1.0\n");
}

TEST(List, NamesOfAlgorithmsPresetsAndExecutorsAreThere) {
  EXPECT_NE(p2plab("list algorithms").out.find("one_shot"), std::string::npos);
  EXPECT_NE(p2plab("list presets").out.find("dgx-v100"), std::string::npos);
  const auto executors = p2plab("list executors").out;
  for (const char* name : {"simulator", "host", "cuda", "nccl"}) EXPECT_NE(executors.find(name), std::string::npos) << name;
  for (const char* what : {"algorithms", "presets", "executors"}) {
    for (const auto& item : json_of(std::string("list ") + what + " --json")) expect_keys(item, {"name", "summary", "parameters"});
  }
}

TEST(ConfigCommand, TheExampleIsAGoodConfigThatRuns) {
  const auto file = test::scratch("example.yaml");
  std::ofstream(file) << p2plab("config example").out;
  const auto checked = p2plab("config check '" + file.string() + "'");
  EXPECT_EQ(checked.exit, 0) << checked.err;
  EXPECT_NE(checked.out.find("good"), std::string::npos);
  const auto ran = p2plab("run '" + file.string() + "'");
  EXPECT_EQ(ran.exit, 0) << ran.err;
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

TEST(BoundCommand, AllGatherOnADgx1V100NeedsSevenOver150SecondsPerByte) {
  const auto json = json_of("bound --topology dgx-v100 --collective all_gather --json");
  expect_keys(json, {"collective", "ranks", "algbw_gbps", "inverse_rate", "cut", "latency_steps"});
  EXPECT_EQ(json["inverse_rate"], "7/150");
}

TEST(PlanCommand, AGpuThatCannotBeReachedIsNamedWithTheCut) {
  const auto machine = test::scratch("apart.yaml");
  std::ofstream(machine)
      << "version: 1\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}, {name: c, kind: gpu}]\nlinks: [{between: [a, b], bandwidth: 1 GB/s}]\n";
  for (const std::string command : {"bound", "plan --algorithm forest", "plan", "frontier", "tune"}) {
    const auto ran = p2plab(command + " --topology '" + machine.string() + "'");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("c cannot be reached from a, not even by relaying through other GPUs"), std::string::npos) << command << ran.err;
  }
  EXPECT_NE(p2plab("bound --topology '" + machine.string() + "'").err.find("no link leads out of {a, b}"), std::string::npos);
  EXPECT_NE(p2plab("plan --topology dgx-v100 --collective broadcast --root 9").err.find("root 9 is not there"), std::string::npos);
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

// No time at all: the first plan at hand, which says how far it is from what cuts allow.
TEST(PlanCommand, WithoutTimeGivesTheFirstPlanAndItsGap) {
  const auto json = json_of("plan --topology mi250x --collective all_gather --size 16MiB --algorithm forest --deadline 0 --json");
  EXPECT_EQ(json["verified"], true);
  EXPECT_LT(json["optimality"].get<double>(), 1);
  EXPECT_NE(json["reason"].get<std::string>().find("% of what cuts allow"), std::string::npos) << json["reason"];
}

// Both quads of a DGX-1 have 18 lanes among themselves, 9 of which an all-reduce can fill each way: 4.5 lanes of 25 GB/s at each GPU.
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
  expect_keys(json, {"p2plab_tuned", "collective", "ranks", "machine", "fingerprint", "dtype", "op", "in_place", "profile", "bands"});
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes 1KiB").exit, 2);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes '1 MiB..1 KiB'").exit, 1);
  EXPECT_EQ(p2plab("tune --topology hgx-h200:gpus=2 --sizes '1 B..1 KiB'").exit, 1);
}

TEST(TopoCommand, ADescriptionThatWasWrittenIsTheSameMachineAgain) {
  const auto file = test::scratch("machine.yaml");
  const auto yaml = p2plab("topo show dgx-v100 --yaml");
  ASSERT_EQ(yaml.exit, 0) << yaml.err;
  std::ofstream(file) << yaml.out;
  EXPECT_EQ(p2plab("topo show '" + file.string() + "' --yaml").out, yaml.out);
  EXPECT_EQ(p2plab("topo show dgx-v100 --yaml --json").exit, 2);
  EXPECT_NE(p2plab("topo presets").out.find("hgx-h200"), std::string::npos);
  const auto detect = p2plab("topo detect");
  EXPECT_EQ(detect.exit, 1);
  EXPECT_NE(detect.err.find("nvidia-smi topo -m"), std::string::npos);
}

TEST(TopoCommand, WhatAFileDoesNotTellIsAWarningOfEveryCommandThatTakesIt) {
  const auto file = test::scratch("bare.xml");
  std::ofstream(file) << R"(<system version="1"><cpu numaid="0" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="85">)"
                      << R"(<pci busid="0000:01:00.0" class="0x030200" link_speed="16 GT/s" link_width="16"/>)"
                      << R"(<pci busid="0000:02:00.0" class="0x030200" link_speed="16 GT/s" link_width="16"/></cpu></system>)";
  for (const std::string command : {"topo show '", "bound --topology '"}) {
    const auto ran = p2plab(command + file.string() + "' --json");
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_NE(ran.err.find("NVLinks are not in it"), std::string::npos) << command << ran.err;
    EXPECT_TRUE(nlohmann::json::accept(ran.out)) << ran.out;
  }
}

TEST(BenchCommand, PrintsNcclTestsColumnsAndWritesItsJson) {
  const auto file = test::scratch("bench.json");
  const auto ran = p2plab("bench --executor host -t 2 -g 2 -b 1K -e 4K -n 2 -d half --algorithm ring -J '" + file.string() + "'");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("#       size         count      type   redop    root     time   algbw   busbw #wrong"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("        4096          2048      half     sum      -1"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("# Out of bounds values : 0 OK"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("say nothing about GPUs"), std::string::npos) << ran.out;
  const auto json = nlohmann::json::parse(test::content(file), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  ASSERT_EQ(json["results"].size(), 3U);
  EXPECT_EQ(json["clock"], "host");
  for (const auto& row : json["results"]) {
    expect_keys(row, {"size", "count", "type", "redop", "root", "out_of_place", "in_place"});
    expect_keys(row["in_place"], {"time", "alg_bw", "bus_bw", "nwrong"});
  }
}

TEST(BenchCommand, RunsInSeveralProcessesAndByAPlanFile) {
  const auto plan = test::scratch("plan.json");
  ASSERT_EQ(p2plab("plan --topology hgx-h200:gpus=3 --algorithm ring --size '1 MiB' --out '" + plan.string() + "'").exit, 0);
  for (const auto& arguments :
       {std::string("--processes 3 --algorithm two_shot"), "--plan '" + plan.string() + "'", "--processes 3 --plan '" + plan.string() + "'"}) {
    const auto ran = p2plab("bench --executor host -b 1K -e 1K -n 1 " + arguments);
    EXPECT_EQ(ran.exit, 0) << arguments << ran.err;
    EXPECT_EQ(ran.out.find("# Out of bounds values : 0 OK"), ran.out.rfind("# Out of bounds values")) << ran.out;
    EXPECT_NE(ran.out.find("        1024           256     float     sum      -1"), std::string::npos) << ran.out;
  }
}

TEST(BenchCommand, WrongUseIsToldWhatWouldBeRight) {
  EXPECT_EQ(p2plab("bench --executor host -b x").exit, 2);
  EXPECT_EQ(p2plab("bench --executor host -c 2").exit, 2);
  EXPECT_EQ(p2plab("bench --executor hots").exit, 1);
  EXPECT_EQ(p2plab("bench --executor host -g 9 --topology hgx-h200").exit, 1);
  EXPECT_NE(p2plab("bench --executor simulator").err.find("known: host, cuda"), std::string::npos);
}

TEST(TopoCommand, RecordedFactsAreTheMachineTheyWereRecordedOn) {
  const auto yaml = test::scratch("machine.yaml");
  const auto ran = p2plab("topo detect --facts tests/data/h200x4_facts.json --out '" + yaml.string() + "'");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(test::content(yaml).find("18 of 18 NVLinks active"), std::string::npos);
  EXPECT_EQ(p2plab("bound --topology '" + yaml.string() + "'").exit, 0);
  const auto json = json_of("topo detect --facts tests/data/h200x4_facts.json --json");
  expect_keys(json, {"facts", "disagreements", "warnings", "topology"});
  EXPECT_EQ(json["topology"]["ranks"], 4);
  for (const auto& fact : json["facts"]) expect_keys(fact, {"subject", "fact", "source"});
}

TEST(CompareCommand, AReportAgainstItselfIsOneTimesAsSlow) {
  const auto folder = "'" + test::scratch("out").string() + "'";
  ASSERT_EQ(p2plab("run " + test::small_config() + " --out " + folder).exit, 0);
  const auto json = json_of("compare " + folder + " " + folder + " --json");
  expect_keys(json, {"rows", "only_a", "only_b", "mean_ratio"});
  EXPECT_EQ(json["mean_ratio"], 1.0);
  EXPECT_EQ(json["only_a"], 0);
}

}  // namespace
}  // namespace p2plab
