// SPDX-License-Identifier: Apache-2.0
// What `run` shows of steps that an executor measured.
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::measured_steps_test {
namespace {

using test::p2plab;

// In a trace the steps of each GPU as predicted and as a CPU thread measured them have the same names; the page has both.
TEST(MeasuredSteps, StandBesideThePredictedOnes) {
  const auto folder = test::scratch("out");
  const auto config = test::scratch("config.yaml");
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h200, gpus: 3}\ncollectives: [all_reduce]\nalgorithms: [ring]\nsizes: [256 KiB]\n"
                           "executors: [simulator, host]\nforms: model\nprofile: ideal\n";
  const auto ran = p2plab(fmt::format("run '{}' --out '{}'", config.string(), folder.string()));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto trace = nlohmann::json::parse(test::content(folder / "trace_all_reduce_ring_262144.json"));
  std::map<int, std::string> processes;
  std::map<std::string, std::set<std::string>> steps;
  for (const auto& event : trace["traceEvents"]) {
    if (event["name"] == "process_name") processes[event["pid"]] = event["args"]["name"];
    if (event["ph"] == "X" && event["name"].get<std::string>().starts_with("step ")) steps[processes[event["pid"]]].insert(event["name"]);
  }
  for (int gpu = 0; gpu < 3; ++gpu) {
    const auto name = fmt::format("gpu{}", gpu);
    EXPECT_GT(steps[name].size(), 3U) << name;
    EXPECT_EQ(steps[name], steps[name + ", measured by host"]);
  }
  const auto page = test::content(folder / "report.html");
  EXPECT_NE(page.find("\"measured\":[{\"executor\":\"host\",\"device\":false"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::measured_steps_test
