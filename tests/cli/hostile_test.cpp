// SPDX-License-Identifier: Apache-2.0
// Inputs that ended the program, kept it for ever or made it say what is not so: each kind ends in time, with an exit code and a message.
#include <chrono>
#include <regex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::hostile_test {
namespace {

using test::p2plab;

std::filesystem::path hostile(const std::string& name) { return std::filesystem::path{P2PLAB_SOURCE_DIR} / "tests/data/hostile" / name; }

std::string quoted_path(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

// Done, or an error that says something; no signal.
void expect_an_end(const std::string& command) {
  const auto ran = p2plab(command);
  EXPECT_TRUE(ran.exit == 0 || ran.exit == 1 || ran.exit == 3) << command << ": exit " << ran.exit << "\n" << ran.err;
  EXPECT_NE(ran.exit == 0, ran.err.find("error:") != std::string::npos) << command << ": " << ran.err;
}

TEST(RatesFarApart, EndEveryPlannerAndBoundInTime) {
  for (const auto& entry : std::filesystem::directory_iterator(hostile(""))) {
    if (entry.path().extension() != ".yaml") continue;
    const auto machine = quoted_path(entry.path());
    expect_an_end("topo show " + machine);
    for (const auto* kind : {"all_reduce", "broadcast", "all_to_all"}) {
      expect_an_end("bound --time-limit 5 --topology " + machine + " --collective " + kind);
      expect_an_end("plan --time-limit 5 --size 64KiB --topology " + machine + " --collective " + kind);
    }
    for (const auto* algorithm : {"forest", "flow", "ring"})
      expect_an_end(std::string{"plan --time-limit 5 --size 1MiB --collective "} + (algorithm == std::string{"flow"} ? "scatter" : "all_gather") +
                    " --algorithm " + algorithm + " --topology " + machine);
  }
}

// By hand: g4 -> g3 carries 1e-6 GB/s, and so does g4 -> g2 -> g0 -> g3; both are 2e-6.
TEST(RatesFarApart, ABoundThatSomethingBeatsIsNotProved) {
  const auto json = test::json_of("bound --json --collective broadcast --root 4 --topology " + quoted_path(hostile("bound_below_optimum_1e11.yaml")));
  EXPECT_GE(json["inverse_rate"].get<std::string>().size(), 1U);
  const auto text = json["inverse_rate"].get<std::string>();
  const auto slash = text.find('/');
  const double inverse = std::stod(text.substr(0, slash)) / (slash == std::string::npos ? 1 : std::stod(text.substr(slash + 1)));
  EXPECT_GE(1 / inverse, 2e-6 * (1 - 1e-8)) << text;
}

TEST(RatesFarApart, GpusThatAreJoinedAreReached) {
  const auto ran =
      p2plab("plan --algorithm forest --collective all_gather --size 1MiB --topology " + quoted_path(hostile("forest_refuses_joined_1e11.yaml")));
  EXPECT_EQ(ran.err.find("no link leads out"), std::string::npos) << ran.err;
}

// What is behind the bound does not say that links carry all they can.
TEST(Reasons, DoNotClaimTheBoundWhereThePlanIsBehindIt) {
  for (const auto& [file, rest] : {std::pair{"forest_all_reduce_37pct.yaml", "--collective all_reduce --algorithm forest"},
                                   std::pair{"forest_reduce_reason.yaml", "--collective reduce --algorithm forest"},
                                   std::pair{"flow_scatter_reason.yaml", "--collective scatter --root 3 --algorithm flow"}}) {
    const auto json = test::json_of("plan --size 64MiB --json --topology " + quoted_path(hostile(file)) + " " + rest);
    const auto reason = json["reason"].get<std::string>();
    const bool claims = reason.find("fill the worst cut") != std::string::npos || reason.find("carry what") != std::string::npos ||
                        reason.find("100.00 % of the bound") != std::string::npos;
    EXPECT_EQ(claims, json["optimality"].get<double>() > 1 - 1e-6) << file << ": " << reason << ", " << json["optimality"];
  }
}

TEST(HostileFiles, AreRefusedWithAReason) {
  const auto report = quoted_path(hostile("report_1e999.json"));
  for (const auto& command : {"compare " + report + " " + report, "verify " + quoted_path(hostile("plan_16_high_slots.json")),
                              std::string{"compare /dev/null /dev/null"}, std::string{"verify /dev/null"}}) {
    const auto ran = p2plab(command);
    EXPECT_EQ(ran.exit, 1) << command << ran.err;
    EXPECT_NE(ran.err.find("error:"), std::string::npos) << command;
  }
}

TEST(MemoryLimit, IsKeptByAnEstimateOrByAWatch) {
  const auto slices = p2plab("simulate --memory-limit '1 GiB' " + quoted_path(hostile("plan_2e40_elements.json")));
  EXPECT_EQ(slices.exit, 1);
  EXPECT_NE(slices.err.find("slices takes at least"), std::string::npos) << slices.err;
  const auto gpus = p2plab("bound --topology ring:gpus=4096 --memory-limit '50 MiB'");
  EXPECT_EQ(gpus.exit, 1);
  EXPECT_NE(gpus.err.find("the limit is 50 MiB"), std::string::npos) << gpus.err;
  const auto plan = p2plab("plan --topology torus:dims=32x32 --algorithm forest --memory-limit '80 MiB'");
  EXPECT_EQ(plan.exit, 1);
  EXPECT_NE(plan.err.find("no plan can take less than"), std::string::npos) << plan.err;
  std::smatch said;
  const std::regex words(
      "the memory limit of 80 MiB is reached while planning all_reduce with forest, which needs at least ([0-9]+) MiB: [0-9]+ [KM]iB more");
  ASSERT_TRUE(std::regex_search(plan.err, said, words)) << plan.err;
  EXPECT_GE(std::stoi(said[1]), 80);
}

TEST(MemoryLimit, OfTheSystemIsAnErrorToo) {
  const auto script = test::scratch("limited.sh");
  std::ofstream(script) << "ulimit -v 400000; exec '" << P2PLAB_PROGRAM << "' bench --executor host -g 4 -b 64M -e 64M -n 1\n";
  const int status = std::system(("bash '" + script.string() + "' > /dev/null 2> '" + test::scratch("err").string() + "'").c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_LE(WEXITSTATUS(status), 1);
}

TEST(MemoryLimit, OfTheSystemSaysHowMuchIsNeededAndTheBound) {
  const auto script = test::scratch("limited.sh");
  std::ofstream(script) << "ulimit -v 200000; exec '" << P2PLAB_PROGRAM << "' plan torus:dims=32x32 --algorithm forest --profile ideal\n";
  const auto err = test::scratch("err");
  const int status = std::system(("bash '" + script.string() + "' > /dev/null 2> '" + err.string() + "'").c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  const auto said = test::content(err);
  EXPECT_NE(said.find("while planning all_reduce with forest, which needs at least "), std::string::npos) << said;
  EXPECT_NE(said.find(" more than were taken"), std::string::npos) << said;
  EXPECT_EQ(said.find(": 0 MiB more than were taken"), std::string::npos) << said;
  EXPECT_NE(said.find("no plan can take less than"), std::string::npos) << said;
}

// 1 MiB of GPUs without links; a file of machine text that would not be read again is not written.
TEST(LargeMachines, EndWithAReason) {
  const auto file = test::scratch("many.yaml");
  std::ofstream out(file);
  out << "version: 1\nname: many\nnodes:\n";
  for (int i = 0; i < 10'000; ++i) out << "- {name: a" << i << ",kind: gpu}\n";
  out << "links:\n";
  for (int i = 0; i + 1 < 10'000; ++i) out << "- {between: [a" << i << ",a" << i + 1 << "],bandwidth: 1GB/s}\n";
  out.close();
  for (const auto* command : {"topo show ", "bound --topology ", "plan --topology "}) {
    const auto ran = p2plab(command + quoted_path(file));
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("has 10000 GPUs; up to 4096"), std::string::npos) << ran.err;
  }
  std::ofstream links(file);
  links << "version: 1\nname: parallel\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}]\nlinks:\n";
  for (int i = 0; i < 10'000; ++i) links << "- {between: [a, b], bandwidth: 1 GB/s}\n";
  links.close();
  EXPECT_EQ(p2plab("topo show " + quoted_path(file)).exit, 0);
  EXPECT_DOUBLE_EQ(test::json_of("bound --json --topology " + quoted_path(file))["algbw_gbps"].get<double>(), 10'000);
  EXPECT_LE(p2plab("plan --time-limit 1 --topology " + quoted_path(file)).exit, 1);
  const auto machine = test::scratch("machine.yaml");
  ASSERT_EQ(p2plab("topo show full-mesh:gpus=256 --yaml --out " + quoted_path(machine)).exit, 0);
  EXPECT_GT(std::filesystem::file_size(machine), 1U << 20);
  EXPECT_EQ(p2plab("topo show " + quoted_path(machine) + " --yaml > /dev/null").exit, 0);
}

// The system's limit on threads says the same as one on memory: here their stacks find no room. Root is bound by no limit on processes.
TEST(Threads, ThatCannotBeMadeAreAnErrorOrAWarning) {
  const auto script = test::scratch("limited.sh");
  std::ofstream(script) << "ulimit -s 900000; ulimit -v 950000; exec '" << P2PLAB_PROGRAM << "' run " << test::small_config() << '\n';
  const auto err = test::scratch("err");
  const int status = std::system(("bash '" + script.string() + "' > /dev/null 2> '" + err.string() + "'").c_str());
  ASSERT_TRUE(WIFEXITED(status)) << test::content(err);
  EXPECT_LE(WEXITSTATUS(status), 1) << test::content(err);
}

// 40,000 lanes of 4,096 thread blocks in 0.9 MB: what counts them takes more memory than the file.
TEST(MemoryLimit, CountsTheThreadBlocksOfManyLanes) {
  const auto plan = test::scratch("two.json");
  ASSERT_EQ(p2plab("plan --topology ring:gpus=2 --size 1KiB --collective broadcast --algorithm one_shot --out '" + plan.string() + "'").exit, 0);
  auto json = nlohmann::json::parse(test::content(plan));
  json["steps"] = nlohmann::json::array();
  for (int k = 0; k < 40'000; ++k) json["steps"].push_back({0, "i0.0", "s0." + std::to_string(k)});
  json["steps"].push_back({0, "i0.0", "o0.0 o1.0"});
  json["tuning"] = {{"blocks_per_lane", 4096}, {"slice", 16}, {"protocol", "simple"}, {"lane_per_step", true}};
  std::ofstream(plan) << json.dump();
  for (const auto* command : {"simulate ", "bench --executor host -n 1 -b 1K -e 1K --plan "}) {
    const auto ran = p2plab(command + quoted_path(plan) + " --memory-limit '500 MiB'");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("500 MiB"), std::string::npos) << ran.err;  // by an estimate, or as it was reached
  }
}

TEST(HostileFiles, ConfigsComeThroughPipesToo) {
  const auto config = test::small_config();
  for (const auto& source : {std::string{"run /dev/stdin < " + config}, std::string{"run /dev/stdin < <(cat " + config + ")"}}) {
    const auto ran = p2plab("--version > /dev/null && bash -c \"'" P2PLAB_PROGRAM "' " + source + "\"");
    EXPECT_EQ(ran.exit, 0) << ran.err;
  }
}

TEST(HostileFiles, ReportsWithImpossibleNumbersOrRepeatedKeysAreRefused) {
  const auto out = test::scratch("out");
  ASSERT_EQ(p2plab("run " + test::small_config() + " --out '" + out.string() + "'").exit, 0);
  const auto good = test::content(out / "report.json");
  const auto refused = [&](const std::string& text, const std::string& words) {
    const auto file = test::scratch("changed.json");
    std::ofstream(file) << text;
    const auto ran = p2plab("compare " + quoted_path(file) + " '" + out.string() + "'");
    EXPECT_EQ(ran.exit, 1) << words;
    EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
  };
  auto json = nlohmann::json::parse(good);
  json["rows"][0]["size_bytes"] = -1;
  refused(json.dump(), "error: at /rows/0/size_bytes: expected no negative number");
  json["rows"][0]["size_bytes"] = std::uint64_t{1} << 63U;
  refused(json.dump(), "error: at /rows/0/size_bytes: expected a whole number below 2^63");
  refused(R"({"name": "a", )" + good.substr(1), "key 'name' is given twice");
}

TEST(Values, ThatAreEmptyAreNotLeftOut) {
  for (const auto* words : {"plan --topology ring --repair ''", "plan --topology ring --profile ''", "topo detect --facts ''"}) {
    const auto ran = p2plab(words);
    EXPECT_EQ(ran.exit, 2) << words;
    EXPECT_NE(ran.err.find("the value is empty"), std::string::npos) << ran.err;
  }
}

TEST(Values, HalfAnElementIsNoSizeOfAnyCommand) {
  for (const auto* command : {"plan", "what-if"}) {
    const auto ran = p2plab(std::string{command} + " --topology ring:gpus=2 --size '1 B' --dtype float16");
    EXPECT_EQ(ran.exit, 1);
    EXPECT_NE(ran.err.find("not a multiple of the element size"), std::string::npos) << ran.err;
  }
}

TEST(SlowLinks, HaveAllTheirDigits) {
  const auto file = test::scratch("slow.yaml");
  std::ofstream(file)
      << "version: 1\nname: slow\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}]\nlinks: [{between: [a, b], bandwidth: 7 B/s}]\n";
  const auto plan = test::json_of("plan --json --size 64B --topology " + quoted_path(file));
  EXPECT_DOUBLE_EQ(plan["bound_gbps"].get<double>(), 7e-9);
  EXPECT_DOUBLE_EQ(plan["algbw_gbps"].get<double>(), 7e-9);
}

// 53,130 sets of GPUs, and seven plans: more than a third of a second is enough for.
TEST(TimeLimits, AreKeptByTheCommandsThatLookAtMachines) {
  for (const auto* command : {"place --gpus 5 --topology mesh:dims=5x5 --time-limit 0.3", "advise mesh:dims=6x6 --time-limit 0.3"}) {
    const auto start = std::chrono::steady_clock::now();
    const auto ran = p2plab(command);
    EXPECT_LE(ran.exit, 1) << ran.err;
    constexpr double generous = 20;  // seconds, on a machine that does other work; all would be minutes
    EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), generous) << command;
  }
}

// 64 GPUs at 16,384 columns take the linear program two seconds, and what it finds is reached; cuts prove no more than four times as much.
TEST(TimeLimits, OfABoundGiveWhatCutsProve) {
  const auto bound = test::json_at_once("bound --topology torus:dims=8x8 --ranks 0-62 --collective all_to_all");
  EXPECT_FALSE(bound["attained"].get<bool>());
  EXPECT_NE(bound["argument"].get<std::string>().find("the time was up before more was known"), std::string::npos) << bound["argument"];
  EXPECT_GT(bound["algbw_gbps"].get<double>(), 0);
}

// 8 MiB over a link of 1 B/s take more picoseconds than half of 64 bits hold, on the way of one slice as well as of all.
TEST(SlowLinks, HaveTimesThatAreAddedWithoutOverflow) {
  const auto file = test::scratch("slowest.yaml");
  std::ofstream(file)
      << "version: 1\nname: slow\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}]\nlinks: [{between: [a, b], bandwidth: 1 B/s}]\n";
  for (const auto* algorithm : {"two_shot", "ring"}) {
    const auto ran = p2plab(std::string{"plan --size 16MiB --algorithm "} + algorithm + " --topology " + quoted_path(file));
    EXPECT_LE(ran.exit, 1) << ran.err;
  }
}

// On 64 GPUs each of these takes seconds, and on some machines minutes; 0 is a limit as any other. What was not found is said.
TEST(TimeLimits, OfZeroAreKept) {
  for (const auto* command : {"tune --topology torus:dims=8x8 --profile ideal --time-limit 0", "advise hgx-h100:nodes=8 --time-limit 0"}) {
    const auto ran = p2plab(command);
    if (ran.exit == 0) continue;  // all was found, or the first of it
    EXPECT_EQ(ran.exit, 1) << ran.err;
    EXPECT_NE(ran.err.find("the time limit of 0 s passed while"), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("a larger --time-limit may find something"), std::string::npos) << ran.err;
  }
}

// dgx-v100 has one set of 8 GPUs, the grid 53,130 of 5.
TEST(TimeLimits, SayWhetherSomeSetsOfGPUsWereNotWeighed) {
  EXPECT_TRUE(test::json_at_once("place --gpus 8 --topology dgx-v100")["complete"].get<bool>());
  EXPECT_FALSE(test::json_at_once("place --gpus 5 --topology mesh:dims=5x5")["complete"].get<bool>());
  EXPECT_TRUE(test::json_at_once("advise dgx-v100")["all_choices_weighed"].get<bool>());
  EXPECT_FALSE(test::json_at_once("advise mesh:dims=5x5 --gpus 5")["all_choices_weighed"].get<bool>());
}

}  // namespace
}  // namespace p2plab::hostile_test
