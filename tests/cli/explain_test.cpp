// SPDX-License-Identifier: Apache-2.0
// simulate, what-if and export, as users run them.
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::explain_test {
namespace {

using test::json_of;
using test::p2plab;

// A ring's plan on four GPUs, in a file of this test.
std::string plan_file(const std::string& more = "--algorithm ring --size '1 MiB'", const std::string& machine = "hgx-h200:gpus=4") {
  const auto file = test::scratch("plan.json").string();
  EXPECT_EQ(p2plab("plan --topology " + machine + " " + more + " --profile profiles/h200.yaml --out '" + file + "'").exit, 0);
  return "'" + file + "'";
}

// Of more than two million slices on which ranks do the same one rank is played for all, as `plan` does.
TEST(SimulateCommand, SaysOfALongPlanWhatThePlannerSaid) {
  const auto plan = test::scratch("plan.json").string();
  const auto planned = json_of("plan --topology ring:gpus=512 --algorithm ring --size '1000000000 B' --profile ideal --json --out '" + plan + "'");
  const auto json = json_of("simulate '" + plan + "' --profile ideal --json");
  EXPECT_EQ(json["predicted_us"], planned["predicted_us"]);
  EXPECT_GT(json["transfers"].get<double>(), 2'000'000);
  EXPECT_EQ(json["size_bytes"], 1'000'000'000);
  EXPECT_FALSE(json.contains("critical_path"));
}

TEST(SimulateCommand, AttributesAllOfTheTimeAndSaysHowLateEachStepMayBe) {
  const auto plan = plan_file();
  const auto json = json_of("simulate " + plan + " --profile profiles/h200.yaml --json");
  double sum = 0;
  for (const auto& [cause, time] : json["critical_path"]["causes"].items()) sum += time.get<double>();
  EXPECT_NEAR(sum, json["predicted_us"].get<double>(), 1e-6);
  EXPECT_NEAR(json["critical_path"]["segments"].back()["end_us"].get<double>(), json["predicted_us"].get<double>(), 1e-9);
  EXPECT_TRUE(json["critical_path"]["bottleneck"].contains("name"));
  EXPECT_EQ(json["slack_us"].size(), 4U * 2 * 3);
  EXPECT_LT(json["predicted_low_us"].get<double>(), json["predicted_us"].get<double>());
  EXPECT_GT(json["predicted_high_us"].get<double>(), json["predicted_us"].get<double>());
  const auto text = p2plab("simulate " + plan + " --profile profiles/h200.yaml").out;
  for (const char* words : {"The time goes (critical path): ", "The bottleneck is ", "have no slack", "By the profile's intervals from "}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << '\n' << text;
  }
}

TEST(SimulateCommand, WritesTheHeatmapAsNumbersOrAsAPicture) {
  const auto plan = plan_file();
  const auto csv = test::scratch("links.csv");
  const auto svg = test::scratch("links.svg");
  EXPECT_EQ(p2plab("simulate " + plan + " --heatmap '" + csv.string() + "'").exit, 0);
  EXPECT_EQ(p2plab("simulate " + plan + " --heatmap '" + svg.string() + "'").exit, 0);
  EXPECT_EQ(test::content(csv).substr(0, 9), "resource,");
  EXPECT_EQ(test::content(svg).substr(0, 5), "<svg ");
  EXPECT_EQ(p2plab("simulate " + plan + " --heatmap /no/such/folder/a.csv").exit, 1);
}

double time_by(const std::string& engine, const std::string& plan) {
  const auto json = json_of("simulate " + plan + " --profile ideal --engine " + engine + " --json");
  EXPECT_EQ(json["engine"], engine);
  EXPECT_EQ(json.contains("critical_path"), engine == "events");
  return json["predicted_us"].get<double>();
}

TEST(SimulateCommand, HasThreeEnginesOfWhichThePathIsNeverSlower) {
  const auto plan = plan_file();
  EXPECT_LE(time_by("path", plan), time_by("events", plan));
  EXPECT_LE(time_by("path", plan), time_by("max-min", plan));
  EXPECT_EQ(json_of("simulate " + plan + " --json")["engine"], "events");
  EXPECT_NE(p2plab("simulate " + plan + " --engine max-min").out.find("Engine max-min: "), std::string::npos);
}

// A ring's hops meet nowhere, so without latencies it is one whether a link serves its transfers in turn or all at once. Where it serves all of a
// hop's at once, all arrive at its end, and the next hop overlaps with nothing: six hops' latencies are added.
TEST(SimulateCommand, SharingLinksFairlyKeepsARingsHopsFromOverlapping) {
  const auto latencies = plan_file();
  const auto longer = time_by("max-min", latencies);
  const auto in_turn = time_by("events", latencies);
  const auto none = plan_file("--algorithm ring --size '1 MiB'", "hgx-h200:gpus=4,latency=0us");
  const auto time = time_by("max-min", none);
  EXPECT_NEAR(time, time_by("events", none), 0.01 * time);
  EXPECT_NEAR(longer, time + 6 * 0.65, 0.01 * longer);  // 325 ns to the switch, 325 ns from it
  EXPECT_LT(in_turn, longer);
}

TEST(SimulateCommand, NamesTheNearestEngineAndWhatNeedsEvents) {
  const auto plan = plan_file();
  const auto unknown = p2plab("simulate " + plan + " --engine maxmin");
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_NE(unknown.err.find("unknown engine 'maxmin'"), std::string::npos) << unknown.err;
  EXPECT_NE(unknown.err.find("did you mean 'max-min'?"), std::string::npos) << unknown.err;
  const auto traced = p2plab("simulate " + plan + " --engine path --trace /tmp/no.json");
  EXPECT_EQ(traced.exit, 2);
  EXPECT_NE(traced.err.find("--trace and --heatmap need --engine events, found --engine path"), std::string::npos) << traced.err;
}

TEST(SimulateCommand, AProfileWithMistakesIsToldAllOfThem) {
  const auto file = test::scratch("bad.yaml");
  std::ofstream(file) << "version: 1\nname: bad\nlaunch: .nan us\nstore_rate: 0 GB/s\n";
  const auto ran = p2plab("simulate " + plan_file() + " --profile '" + file.string() + "'");
  EXPECT_EQ(ran.exit, 1);
  for (const char* words : {"bad.yaml:3:9", "key 'load_rate' is missing", "key 'link_efficiency' is missing"})
    EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
}

TEST(WhatIfCommand, ALinkAtHalfItsBandwidthDoublesACopysTime) {
  const auto json = json_of(
      "what-if --topology hgx-h200:gpus=2,latency=0us --collective broadcast --size '64 MiB' --algorithm one_shot --link gpu0,nvswitch0=0.5 --link "
      "gpu0,nvswitch0=0 --json");
  EXPECT_NEAR(json["what_if"][0]["same_plan_us"].get<double>() / json["predicted_us"].get<double>(), 2, 0.01);
  EXPECT_EQ(json["what_if"][0]["change"], "link gpu0 - nvswitch0 x 0.5");
  EXPECT_TRUE(json["what_if"][1]["same_plan_us"].is_null());
  EXPECT_TRUE(json["what_if"][1]["replanned_us"].is_null());
}

TEST(WhatIfCommand, AsksTheUsualQuestionsAndRanksWhatHelpsWhereNothingIsAsked) {
  const auto json = json_of("what-if " + plan_file() + " --profile profiles/h200.yaml --json");
  EXPECT_EQ(json["what_if"].size(), 4U);
  ASSERT_FALSE(json["sensitivities"].empty());
  double last = 1e9;
  for (const auto& row : json["sensitivities"]) {
    EXPECT_LE(row["gain_us"].get<double>(), last);
    last = row["gain_us"].get<double>();
  }
}

TEST(WhatIfCommand, WeighsSizesAndGivesPercentiles) {
  const auto json =
      json_of("what-if --topology hgx-h200:gpus=2 --size '64 KiB:3,1 MiB' --algorithm one_shot --straggler '2 us' --jitter 5 --samples 50 --json");
  EXPECT_EQ(json["sizes"][0]["share"], 0.75);
  const auto mean = 0.75 * json["sizes"][0]["predicted_us"].get<double>() + 0.25 * json["sizes"][1]["predicted_us"].get<double>();
  EXPECT_NEAR(json["predicted_us"].get<double>(), mean, 1e-9);
  EXPECT_LE(json["spread"]["p50_us"], json["spread"]["p90_us"]);
  EXPECT_LE(json["spread"]["p90_us"], json["spread"]["p99_us"]);
}

TEST(WhatIfCommand, WrongUsesAndWrongNamesAreTold) {
  EXPECT_EQ(p2plab("what-if").exit, 2);
  EXPECT_EQ(p2plab("what-if --topology dgx-v100 --link gpu0=0.5").exit, 2);
  EXPECT_EQ(p2plab("what-if --topology dgx-v100 --gpu gpu0").exit, 2);
  for (const char* arguments : {"--link gpu0,gpu9=0.5", "--link gpu0,gpu5=0.5", "--gpu gpu0=0", "--number lunch=2", "--jitter -1"}) {
    const auto ran = p2plab(std::string("what-if --topology dgx-v100 --algorithm ring --samples 2 ") + arguments);
    EXPECT_EQ(ran.exit, 1) << arguments << ran.out << ran.err;
    EXPECT_EQ(ran.out, "") << arguments;
  }
}

TEST(ExportCommand, WritesEveryFormatOfItsList) {
  const auto plan = plan_file();
  const auto formats = json_of("list exporters --json");
  ASSERT_GE(formats.size(), 3U);
  // A ring of all_reduce is none of UCC's or MPICH's algorithms, and the preset has no PCIe tree.
  const std::set<std::string> without{"ucc", "mpich", "nccl-topo"};
  for (const auto& format : formats) {
    const auto word = format["name"].get<std::string>();
    const auto ran = p2plab("export --format " + word + " " + plan + " --out '" + test::scratch("exported").string() + "'");
    EXPECT_EQ(ran.exit, without.contains(word) ? 1 : 0) << word << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_GT(ran.err.size(), 20U) << word;  // how the runtime is told of the file, or why there is none
  }
  EXPECT_EQ(p2plab("export --format goal " + plan).out.substr(0, 12), "num_ranks 4\n");
  EXPECT_NE(p2plab("export --format msccl-xml " + plan).out.find("<algo name=\"ring\" proto=\""), std::string::npos);
}

TEST(ExportCommand, WritesEachPlanOfATunedTableForItsSizes) {
  const auto table = test::scratch("tuned.yaml").string();
  ASSERT_EQ(p2plab("tune --topology hgx-h200:gpus=4 --sizes '64 KiB..64 MiB' --factor 1024 --profile profiles/h200.yaml --out '" + table + "'").exit,
            0);
  const auto name = test::scratch("algorithm").string();
  const auto ran = p2plab("export --format msccl-xml '" + table + "' --out '" + name + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(test::content(name + ".from_0.xml").find("minBytes=\"0\" maxBytes=\"67108864\""), std::string::npos);
  EXPECT_NE(ran.err.find("MSCCL_XML_FILES="), std::string::npos) << ran.err;  // how the runtime is told of them
  EXPECT_NE(test::content(name + ".from_67108864.xml").find("minBytes=\"67108864\" maxBytes=\"1099511627776\""), std::string::npos);
  EXPECT_EQ(p2plab("export --format msccl-xml '" + table + "'").exit, 2);  // several files need a name
}

TEST(ImportCommand, WhatWasExportedAndImportedIsExportedAlike) {
  const auto plan = plan_file();
  for (const std::string format : {"msccl-xml", "rccl-msccl", "nccl-graph"}) {
    const auto file = test::scratch(format + ".xml").string();
    ASSERT_EQ(p2plab("export --format " + format + " " + plan + " --out '" + file + "'").exit, 0) << format;
    const auto again = test::scratch(format + ".json").string();
    const std::string dialect = format == "rccl-msccl" ? " --format rccl-msccl" : "";
    const auto read = p2plab("import '" + file + "' --topology hgx-h200:gpus=4" + dialect + " --json --out '" + again + "'");
    EXPECT_TRUE(nlohmann::json::parse(read.out)["proved"].get<bool>());
    ASSERT_EQ(read.exit, 0) << format << read.err;
    EXPECT_NE(read.err.find("proved: all_reduce among 4 ranks"), std::string::npos) << read.err;
    EXPECT_EQ(p2plab("verify '" + again + "'").exit, 0);
    EXPECT_EQ(p2plab("simulate '" + again + "'").exit, 0);
    EXPECT_EQ(p2plab("export --format " + format + " '" + again + "'").out, test::content(file)) << format;
  }
  const auto other = p2plab("import '" + test::scratch("msccl-xml.xml").string() + "' --topology hgx-h200:gpus=8");
  EXPECT_EQ(other.exit, 1);
  EXPECT_NE(other.err.find("the file is for 4 GPUs, the machine has 8"), std::string::npos) << other.err;
}

TEST(ExportCommand, SaysWhatIsWrong) {
  const auto plan = plan_file("--algorithm tree --collective broadcast --size '1 MiB'");
  EXPECT_EQ(p2plab("export --format chakra " + plan).exit, 2);  // several files need a name
  const auto unknown = p2plab("export --format gaol " + plan);
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_NE(unknown.err.find("did you mean 'goal'?"), std::string::npos) << unknown.err;
  const auto unsupported = p2plab("export --format msccl-xml " + plan);
  EXPECT_EQ(unsupported.exit, 1);
  EXPECT_NE(unsupported.err.find("it has no collective for broadcast"), std::string::npos) << unsupported.err;
}

TEST(NcclModel, StandsInEveryReportWithoutNccl) {
  const auto folder = test::scratch("out");
  ASSERT_EQ(p2plab("run configs/4gpu_h200.yaml --out '" + folder.string() + "'").exit, 0);
  const auto report = nlohmann::json::parse(test::content(folder / "report.json"));
  int model = 0;
  int plans = 0;
  for (const auto& row : report["rows"]) {
    if (row["executor"] == "simulator") {
      EXPECT_LE(row["predicted_low_us"].get<double>(), row["predicted_us"].get<double>());
      EXPECT_LE(row["predicted_us"].get<double>(), row["predicted_high_us"].get<double>());
    }
    if (row["executor"] != "nccl_model") continue;
    EXPECT_FALSE(row["winner"].get<bool>());
    model += row["algorithm"] == "nccl_model" ? 1 : 0;
    plans += row["algorithm"] != "nccl_model" ? 1 : 0;
    // 10.2 us + 1 KiB / 94 GB/s, by ring and LL, 1.5 us less in a graph.
    if (row["algorithm"] == "nccl_model" && row["size_bytes"] == 1024) {
      EXPECT_NEAR(row["time_us"].get<double>(), 8.7 + 1024 / 94e3, 1e-3);
    }
  }
  EXPECT_GT(model, 0);
  EXPECT_EQ(plans, 0);
  for (const char* name : {"links_all_reduce_", "trace_all_reduce_"}) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files += entry.path().filename().string().starts_with(name) ? 1 : 0;
    EXPECT_GT(files, 0) << name;
  }
}

}  // namespace
}  // namespace p2plab::explain_test
