// SPDX-License-Identifier: Apache-2.0
// Inputs that ended the program, kept it for ever or made it say what is not so: each kind ends in time, with an exit code and a message.
#include <vector>

#include "program.h"

namespace p2plab {
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
  const auto gpus = p2plab("bound --topology ring:gpus=4096 --memory-limit '100 MiB'");
  EXPECT_EQ(gpus.exit, 1);
  EXPECT_NE(gpus.err.find("the limit is 0.1 GiB"), std::string::npos) << gpus.err;
  const auto plan = p2plab("plan --topology torus:dims=32x32 --algorithm forest --memory-limit '120 MiB'");
  EXPECT_EQ(plan.exit, 1);
  EXPECT_NE(plan.err.find("memory limit"), std::string::npos) << plan.err;
  EXPECT_NE(plan.err.find("no plan can take less than"), std::string::npos) << plan.err;
}

TEST(MemoryLimit, OfTheSystemIsAnErrorToo) {
  const auto script = test::scratch("limited.sh");
  std::ofstream(script) << "ulimit -v 400000; exec '" << P2PLAB_PROGRAM << "' bench --executor host -g 4 -b 64M -e 64M -n 1\n";
  const int status = std::system(("bash '" + script.string() + "' > /dev/null 2> '" + test::scratch("err").string() + "'").c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_LE(WEXITSTATUS(status), 1);
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
  const auto machine = test::scratch("machine.yaml");
  ASSERT_EQ(p2plab("topo show full-mesh:gpus=256 --yaml --out " + quoted_path(machine)).exit, 0);
  EXPECT_GT(std::filesystem::file_size(machine), 1U << 20);
  EXPECT_EQ(p2plab("topo show " + quoted_path(machine) + " --yaml > /dev/null").exit, 0);
}

}  // namespace
}  // namespace p2plab
