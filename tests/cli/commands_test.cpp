// SPDX-License-Identifier: Apache-2.0
// Commands, their exit codes, the keys of their JSON, and what a wrong use is told.
#include <regex>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::commands_test {
namespace {

using test::expect_keys;
using test::json_of;
using test::p2plab;

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

TEST(Usage, AValueThatCannotBeReadExitsWithTwoAndNamesItsOption) {
  for (const char* arguments :
       {"plan --topology dgx-v100 --size 64", "plan --topology dgx-v100 --memory-limit much", "tune --topology dgx-v100 --sizes 1..2",
        "what-if --topology dgx-v100 --size 0:1:2", "what-if --topology dgx-v100 --straggler soon"}) {
    const auto ran = p2plab(arguments);
    EXPECT_EQ(ran.exit, 2) << arguments << '\n' << ran.err;
    EXPECT_NE(ran.err.find("error: --"), std::string::npos) << ran.err;
  }
}

TEST(Usage, BadInputExitsWithOneAndSaysNothingOnStdout) {
  for (const char* arguments : {"run no_such_config.yaml", "plan --topology no-such-machine", "plan --topology dgx-v100 --algorithm rnig",
                                "compare no_a no_b", "plan --topology dgx-v100 --root 8", "plan --topology dgx-v100 --ranks 0,9",
                                "plan --topology dgx-v100 --ranks 0,0", "plan --topology dgx-v100 --collective all", "topo show no-such-machine"}) {
    const auto ran = p2plab(arguments);
    EXPECT_EQ(ran.exit, 1) << arguments << '\n' << ran.err;
    EXPECT_EQ(ran.out, "") << arguments;
    EXPECT_NE(ran.err.find("error: "), std::string::npos) << arguments;
  }
}

TEST(Usage, EveryCommandHasHelpWithAnExample) {
  for (const char* command : {"",          "run",     "topo",   "topo show",       "topo presets", "topo import",    "topo detect",    "bench",
                              "calibrate", "plan",    "bound",  "groups",          "place",        "advise",         "doctor",         "frontier",
                              "tune",      "compare", "list",   "list algorithms", "list presets", "list executors", "list exporters", "simulate",
                              "what-if",   "export",  "import", "verify",          "config",       "config example", "config check"}) {
    const auto ran = p2plab(std::string(command) + " --help");
    EXPECT_EQ(ran.exit, 0) << command << ran.err;
    EXPECT_NE(ran.out.find("Example: p2plab "), std::string::npos) << command << ran.out;
  }
  // The commit is that of the sources, where they are a repository.
  EXPECT_TRUE(std::regex_match(p2plab("--version").out, std::regex("p2plab 0\\.1\\.0( \\([0-9a-f]{9,}\\))?\n")));
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
    EXPECT_EQ(ran.out.find("# the plan of a file, for hgx-h200\n") != std::string::npos, arguments.find("--plan") != std::string::npos) << ran.out;
  }
}

// A plan's file says these; what is said beside it would not be done.
TEST(BenchCommand, APlanFileTakesNoOtherMachineOrPlan) {
  for (const auto* more : {"--topology hgx-h200", "hgx-h200", "--algorithm ring", "--collective all_gather", "--root 1", "--set mode=push"}) {
    const auto ran = p2plab("bench --executor host --plan plan.json " + std::string{more});
    EXPECT_EQ(ran.exit, 2) << more;
    EXPECT_NE(ran.err.find("--plan"), std::string::npos) << ran.err;
  }
}

TEST(BenchCommand, WrongUseIsToldWhatWouldBeRight) {
  EXPECT_EQ(p2plab("bench --executor host -b x").exit, 2);
  EXPECT_EQ(p2plab("bench --executor host -c 2").exit, 2);
  EXPECT_EQ(p2plab("bench --executor hots").exit, 1);
  EXPECT_NE(p2plab("bench --executor host --staged").err.find("--staged is for cuda"), std::string::npos);
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

TEST(CompareCommand, AReportBesideItselfDiffersInNothing) {
  const auto folder = "'" + test::scratch("out").string() + "'";
  ASSERT_EQ(p2plab("run " + test::small_config() + " --out " + folder).exit, 0);
  const auto json = json_of("compare " + folder + " " + folder + " " + folder + " --json");
  expect_keys(json, {"baseline", "reports"});
  ASSERT_EQ(json["reports"].size(), 2U);
  for (const auto& report : json["reports"]) {
    expect_keys(report, {"name", "machine", "verdicts", "only_baseline", "only_here", "rows"});
    ASSERT_FALSE(report["verdicts"].empty());
    for (const auto& verdict : report["verdicts"]) {
      EXPECT_EQ(verdict["ratio"], 1.0);
      EXPECT_TRUE(verdict["differences"].empty());
    }
    EXPECT_EQ(report["only_baseline"], 0);
  }
  EXPECT_NE(p2plab("compare " + folder + " " + folder).out.find("B, simulator: no difference in "), std::string::npos);
  EXPECT_EQ(p2plab("compare " + folder + " " + folder + " --fail-above 0%").exit, 0);
}

// Half of a GPU's NVLinks lost: over 3 % slower, and less than 500 %.
TEST(CompareCommand, TheExitCodeSaysWhetherAnythingIsSlowerByMoreThanAsked) {
  const auto config = test::scratch("lost.yaml");
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h200, gpus: 2}\nmask: {links: [{between: [gpu0, nvswitch0], fraction: 0.5}]}\n"
                           "collectives: [all_reduce]\nalgorithms: [ring, auto]\nsizes: [1 KiB, 1 MiB]\n";
  const auto whole = "'" + test::scratch("whole").string() + "'";
  const auto lost = "'" + test::scratch("lost").string() + "'";
  ASSERT_EQ(p2plab("run " + test::small_config() + " --out " + whole).exit, 0);
  ASSERT_EQ(p2plab("run '" + config.string() + "' --out " + lost).exit, 0);
  const auto above = p2plab("compare " + whole + " " + lost + " --fail-above 3%");
  EXPECT_EQ(above.exit, 1);
  EXPECT_NE(above.err.find("slower than the baseline by more than --fail-above 3%"), std::string::npos) << above.err;
  EXPECT_NE(above.err.find("B, simulator: all_reduce ring is "), std::string::npos) << above.err;
  EXPECT_NE(above.out.find("B: lost, hgx-h200"), std::string::npos) << above.out;
  EXPECT_EQ(p2plab("compare " + whole + " " + lost + " --fail-above '500 %'").exit, 0);
  EXPECT_EQ(p2plab("compare " + lost + " " + whole + " --fail-above 3").exit, 0) << "faster is no failure";
  for (const auto* bad : {"-1%", "much", "nan", "3 GB"})
    EXPECT_EQ(p2plab("compare " + whole + " " + lost + " --fail-above '" + bad + "'").exit, 2) << bad;
}

}  // namespace
}  // namespace p2plab::commands_test
