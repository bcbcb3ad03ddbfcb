// SPDX-License-Identifier: Apache-2.0
// monitor, explain and validate as users run them, on ranks that are processes of this machine's CPU.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "p2plab/run/monitor.h"
#include "program.h"

namespace p2plab::monitor_test {
namespace {

using test::json_of;
using test::p2plab;

// Three ranks' all-reduces at two sizes, recorded in a folder of this test.
std::string recorded(const std::string& level) {
  const auto folder = test::scratch("records/x").parent_path();
  std::filesystem::create_directories(folder);
  setenv("P2PLAB_MONITOR", level.c_str(), 1);
  setenv("P2PLAB_MONITOR_DIR", folder.c_str(), 1);
  EXPECT_EQ(p2plab("bench --executor host --processes 3 --algorithm ring -b 4K -e 8K -n 4 -w 1").exit, 0);
  unsetenv("P2PLAB_MONITOR");
  unsetenv("P2PLAB_MONITOR_DIR");
  return folder.string();
}

TEST(MonitorCommand, TellsOfEachCallOfEachRankOnce) {
  const auto folder = recorded("basic");
  const auto ran = p2plab("monitor --dir '" + folder + "' --ended --once --json");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::map<std::tuple<std::string, int, int>, int> seen;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["event"] != "call") continue;
    EXPECT_EQ(json["operation"], "all_reduce");
    EXPECT_EQ(json["algorithm"], "ring");
    EXPECT_EQ(json["backend"], "cpu");
    EXPECT_EQ(json["progress"], "done");
    EXPECT_GT(json["measured_us"].get<double>(), 0);
    ++seen[{json["communicator"].get<std::string>(), json["rank"].get<int>(), json["sequence"].get<int>()}];
  }
  EXPECT_GE(seen.size(), 2U * 3 * 4);  // sizes, ranks, calls at least
  for (const auto& [call, times] : seen) EXPECT_EQ(times, 1);
  const auto table = p2plab("top --dir '" + folder + "' --ended --once");
  EXPECT_NE(table.out.find("cpu ring simple"), std::string::npos) << table.out;
  const auto quiet = p2plab("explain '" + folder + "'");
  EXPECT_EQ(quiet.exit, 0);
  EXPECT_NE(quiet.out.find("3 of 3 ranks recorded"), std::string::npos) << quiet.out;
}

TEST(MonitorCommand, WritesStepsIntoATraceAndTotalsForPrometheus) {
  const auto folder = recorded("steps");
  const auto trace = test::scratch("trace.json");
  const auto metrics = test::scratch("metrics.txt");
  const auto saved = test::scratch("saved");
  EXPECT_EQ(p2plab(fmt::format("monitor --dir '{}' --ended --once --trace '{}' --prometheus '{}' --save '{}'", folder, trace.string(),
                               metrics.string(), saved.string()))
                .exit,
            0);
  const auto json = nlohmann::json::parse(test::content(trace));
  const auto steps =
      std::ranges::count_if(json["traceEvents"], [](const auto& event) { return event["name"].template get<std::string>().starts_with("step "); });
  EXPECT_GT(steps, 3 * 4);
  const auto lines = p2plab("monitor --dir '" + folder + "' --ended --once --json --steps");
  std::istringstream all(lines.out);
  std::map<std::tuple<std::string, int, int>, std::set<int>> seen;
  for (std::string line; std::getline(all, line);) {
    const auto step = nlohmann::json::parse(line);
    if (step["event"] != "step") continue;
    EXPECT_LE(step["waited_us"].get<double>(), step["us"].get<double>());
    seen[{step["communicator"], step["rank"], step["sequence"]}].insert(step["step"].get<int>());
  }
  EXPECT_GE(seen.size(), 2U * 3 * 4);
  for (const auto& [call, of_call] : seen) EXPECT_GE(of_call.size(), 2U * 2);  // it sends and adds, then sends, n - 1 times each
  const auto explained = p2plab("explain '" + folder + "'");
  EXPECT_NE(explained.out.find("the last call with steps: its blocks waited "), std::string::npos) << explained.out;
  EXPECT_NE(test::content(metrics).find("p2plab_calls_total{"), std::string::npos);
  const auto files = record_files(saved.string());
  ASSERT_TRUE(files);
  EXPECT_EQ(files->size(), 12U);  // ranks, sizes, in place and not
  EXPECT_NE(p2plab("monitor --dir '" + saved.string() + "' --clean").out.find("removed 12 records"), std::string::npos);
}

TEST(MonitorCommand, RefusesAnAddressThatOthersReachWithoutAToken) {
  const auto open = p2plab("monitor --serve 0.0.0.0:0");
  EXPECT_EQ(open.exit, open.err.find("built without") != std::string::npos ? 1 : 2) << open.err;
  EXPECT_EQ(p2plab("monitor --dir /no/such/folder --once").exit, 1);
  const auto window = p2plab("monitor --dir /no/such/folder --once --window soon");
  EXPECT_NE(window.err.find("soon"), std::string::npos) << "times are read before anything is watched: " << window.err;
  EXPECT_EQ(p2plab("explain /no/such/file").exit, 1);
}

TEST(MonitorCommand, RefusesAMachineThatItCannotDraw) {
  EXPECT_EQ(p2plab("monitor --once --topology hgx-h200").exit, 2) << "nothing is drawn without a page";
  EXPECT_EQ(p2plab("monitor --serve 127.0.0.1:0 --machine gpus=4").exit, 2) << "answers to no description";
  const auto unknown = p2plab("monitor --serve 127.0.0.1:0 --for 1s --topology hgx-h20x");
  EXPECT_TRUE(unknown.err.find("hgx-h20x") != std::string::npos || unknown.err.find("built without") != std::string::npos) << unknown.err;
  EXPECT_NE(unknown.exit, 0);
}

// With a home of the test's own, which may hold a settings file.
test::Outcome at_home(const std::string& arguments, const std::string& variables = {}) {
  const auto home = test::scratch("home");
  return p2plab(arguments, P2PLAB_SOURCE_DIR, "env -i PATH=\"$PATH\" HOME='" + home.string() + "' " + variables);
}

TEST(ConfigShow, SaysOfEachSettingWhetherCommandLineEnvironmentOrFileSaidIt) {
  const auto file = test::scratch("home") / ".config/p2plab/settings.yaml";
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "library:\n  deadline: 3\n  order: fixed\nmonitor: {level: basic}\n";
  const auto ran = at_home("--set monitor.level=steps config show --json", "P2PLAB_ORDER=any");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  std::map<std::string, std::pair<std::string, std::string>> found;
  for (const auto& each : nlohmann::json::parse(ran.out)) found[each["variable"]] = {each["value"], each["from"]};
  EXPECT_EQ(found["P2PLAB_MONITOR"], (std::pair<std::string, std::string>{"steps", "command line"}));
  EXPECT_EQ(found["P2PLAB_ORDER"], (std::pair<std::string, std::string>{"any", "environment"}));
  EXPECT_EQ(found["P2PLAB_DEADLINE"], (std::pair<std::string, std::string>{"3", "file"}));
  EXPECT_EQ(found["P2PLAB_BACKEND"], (std::pair<std::string, std::string>{"auto", "default"}));
  EXPECT_NE(at_home("config show").out.find("settings file " + file.string()), std::string::npos);
  EXPECT_EQ(at_home("config show --file /no/such/file").exit, 1);
  EXPECT_EQ(at_home("config show", "P2PLAB_SECRET=0123456789abcdef").out.find("0123456789"), std::string::npos) << "a secret is not shown";
}

TEST(ConfigShow, AFileWithMistakesEndsEveryCommandWithTheirPlaces) {
  const auto file = test::scratch("home") / ".config/p2plab/settings.yaml";
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "library:\n  dedline: 3\n";
  for (const auto* command : {"list algorithms", "config show"}) {
    const auto ran = at_home(command);
    EXPECT_EQ(ran.exit, 1);
    EXPECT_NE(ran.err.find("settings.yaml:2:3: error: unknown key 'dedline'"), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("did you mean 'deadline'?"), std::string::npos) << ran.err;
  }
  const auto shown = at_home("config show", "P2PLAB_DEADLINE=7");
  EXPECT_NE(shown.out.find("mistakes, so nothing in it holds"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("P2PLAB_DEADLINE     7"), std::string::npos) << "the rest is shown";
  const auto example = at_home("config settings");
  EXPECT_EQ(example.exit, 0);
  EXPECT_NE(example.out.find("# deadline: ..."), std::string::npos) << "the way to a good file needs none";
  EXPECT_NE(example.err.find("settings.yaml:2:3: error"), std::string::npos) << example.err;
  EXPECT_EQ(at_home("list algorithms", "P2PLAB_SETTINGS=").exit, 0);
  EXPECT_EQ(at_home("--set library.dedline=3 list algorithms", "P2PLAB_SETTINGS=").exit, 2);
  EXPECT_EQ(at_home("--set library.deadline=never list algorithms", "P2PLAB_SETTINGS=").exit, 2);
}

TEST(ConfigShow, NamesEachVariableItsValueAndWhereItCameFromAndWhatCannotBeMeant) {
  const auto shown = [](const std::string& arguments, const std::string& variables) { return at_home("config show" + arguments, variables); };
  const auto ran = shown(" --json", "P2PLAB_DEADLINE=5");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const auto good = nlohmann::json::parse(ran.out);
  std::set<std::string> names;
  for (const auto& each : good) {
    names.insert(each["variable"].get<std::string>());
    if (each["variable"] == "P2PLAB_DEADLINE") {
      EXPECT_EQ(each["value"], "5");
    }
    EXPECT_EQ(each["from"], each["variable"] == "P2PLAB_DEADLINE" ? "environment" : "default");
  }
  const auto bad = shown("", "P2PLAB_DEADLINE=0.01 P2PLAB_MONITR=basic");
  EXPECT_EQ(bad.exit, 1);
  EXPECT_NE(bad.out.find("from 0.1 to 86400"), std::string::npos) << bad.out;
  EXPECT_NE(bad.out.find("P2PLAB_MONITOR'"), std::string::npos) << bad.out;  // the nearest name
  // Whatever a source reads is in the list.
  for (const char* folder : {"kernels/src", "experiments/src", "framework/src", "simulator/src"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(P2PLAB_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      const auto text = test::content(entry.path());
      for (auto at = text.find("\"P2PLAB_"); at != std::string::npos; at = text.find("\"P2PLAB_", at + 1)) {
        const auto name = text.substr(at + 1, text.find('"', at + 1) - at - 1);
        const bool result = entry.path().filename() == "communicators.cpp" && text.find("return \"" + name + "\"") != std::string::npos;
        if (name != "P2PLAB_" && !result && name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ2_") == std::string::npos) {
          EXPECT_TRUE(names.contains(name)) << name << " in " << entry.path();
        }
      }
    }
  }
}

TEST(ValidateCommand, FindsEveryCallAndNamesWhatIsNotMeasured) {
  const auto ran = p2plab("validate --calls 2000 --threads 4 --seconds 0.3 --readers 2 --json");
  // A busy machine may miss promises of time; those of whole records hold everywhere.
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["promises"].size(), 13U);
  for (const auto& promise : json["promises"]) {
    const auto what = promise["what"].get<std::string>();
    if (what.starts_with("calls read") || what.starts_with("calls neither") || what.starts_with("then calls") || what.starts_with("of those read")) {
      EXPECT_TRUE(promise["kept"].get<bool>()) << promise.dump();
    }
  }
  EXPECT_TRUE(json.contains("not_measured_here"));
}

}  // namespace
}  // namespace p2plab::monitor_test
