// SPDX-License-Identifier: Apache-2.0
#include "trial.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

namespace p2plab::wild {

namespace {

constexpr double near = 1e-6;  // figures are printed with six to nine decimals
const std::vector<std::string> collectives{"all_reduce", "all_gather", "reduce_scatter", "broadcast",   "reduce",
                                           "gather",     "scatter",    "all_to_all",     "send_receive"};
const std::vector<std::string> planners{"ring", "tree",     "forest",   "hierarchical", "halving_doubling", "bruck",
                                        "flow", "one_shot", "two_shot", "pairwise",     "latency",          "auto"};
const std::vector<std::string> formats{"goal",     "chakra",    "msccl-xml", "rccl-msccl", "mscclpp-json", "nccl-graph", "nccl-tuner",
                                       "nccl-env", "nccl-topo", "simgrid",   "infragraph", "open-mpi",     "mpich",      "ucc"};
const std::vector<std::string> sizes{"4 B", "12 B", "64 B", "1 KiB", "4 KiB", "65540 B", "1 MiB", "16 MiB", "256 MiB"};
// These take --memory-limit.
const std::vector<std::string> with_memory{"show", "bound",   "plan",     "verify", "simulate", "export",
                                           "tune", "what-if", "frontier", "run",    "place",    "advise"};

std::string joined(const std::vector<std::string>& words) {
  std::string text = "p2plab";
  for (const auto& word : words) text += word.find(' ') == word.npos ? " " + word : " '" + word + "'";
  return text;
}

std::string last_lines(const std::string& text) {
  constexpr std::size_t most = 1500;
  return text.size() <= most ? text : text.substr(text.size() - most);
}

bool number(const nlohmann::json& json, const char* key) { return json.contains(key) && json[key].is_number(); }

// Of a rational, as bounds print it.
double value_of(const std::string& text) {
  const auto slash = text.find('/');
  return std::stod(text.substr(0, slash)) / (slash == text.npos ? 1 : std::stod(text.substr(slash + 1)));
}

}  // namespace

void Trial::fault(const std::string& words) { faults_.push_back(fmt::format("machine {}: {}: {}", seed_, last_, words)); }

std::vector<std::string> Trial::of(std::uint64_t seed) {
  seed_ = seed;
  machine_.emplace(seed);
  time_ = machine_->one_of(std::vector{0.0, 0.05, 0.1, 0.1, 0.2, 0.5});
  faults_.clear();
  bounds_.clear();
  planned_ = false;
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "m.yaml") << machine_->text();
  look_at_it();
  plan_with_all();
  if (planned_) use_plan();
  if (planned_) export_it();
  study_it();
  run_config();
  return faults_;
}

// A crash, a sanitizer's report, an exit code without its reason, a limit that was passed.
void Trial::check_end(const std::string& name, const Words& words, const Outcome& outcome, bool timed) {
  const int code = outcome.exit();
  for (const char* report : {"runtime error:", "Sanitizer", "a fault of p2plab", "Assertion", "terminate called", "): there is no path"}) {
    if (outcome.err.find(report) != outcome.err.npos) return fault(fmt::format("exit {}: {}", code, last_lines(outcome.err)));
  }
  if (code != 0 && code != 1) return fault(fmt::format("exit {}: {}", code, last_lines(outcome.err)));
  if ((code == 0) == (outcome.err.find("error:") != outcome.err.npos)) fault(fmt::format("exit {}: {}", code, last_lines(outcome.err)));
  if (outcome.end.most_memory > settings_.memory) fault(fmt::format("took {} bytes", outcome.end.most_memory));
  auto& tally = tallies_[name];
  if (!timed) return;
  // Another process may have had the processor: what is late is tried again, and the least counts.
  double seconds = outcome.end.seconds;
  const double allowed = time_ + std::max(0.1 * time_, 0.2) + settings_.slack;
  constexpr int tries = 3;
  for (int t = 0; seconds > allowed && t < tries; ++t) {
    if (const auto again = program_.run(words, settings_.limits)) seconds = std::min(seconds, again->end.seconds);
  }
  tally.late = std::max(tally.late, seconds - time_);
  if (seconds > allowed) fault(fmt::format("took {:.2f} s where {} s were allowed", seconds, time_));
}

std::optional<Outcome> Trial::command(const std::string& name, Words words, bool timed) {
  if (std::ranges::find(with_memory, name) != with_memory.end()) words.insert(words.end(), {"--memory-limit", fmt::format("{} B", settings_.memory)});
  if (timed) words.insert(words.end(), {"--time-limit", fmt::format("{}", time_)});
  last_ = joined(words);
  auto outcome = program_.run(words, settings_.limits);
  if (!outcome) {
    fault("nothing runs any more");
    return std::nullopt;
  }
  check_end(name, words, *outcome, timed);
  auto& tally = tallies_[name];
  ++tally.runs;
  if (outcome->exit() == 0) ++tally.done;
  if (outcome->exit() == 1) ++tally.refused;
  tally.processor += outcome->end.processor_seconds;
  if (outcome->end.seconds > tally.slowest) {
    tally.slowest = outcome->end.seconds;
    tally.slowest_seed = seed_;
  }
  tally.most_memory = std::max(tally.most_memory, outcome->end.most_memory);
  return outcome;
}

// What a command prints as JSON; nothing where it was refused.
std::optional<Trial::Json> Trial::json(const std::string& name, Words words, bool timed) {
  words.emplace_back("--json");
  const auto outcome = command(name, std::move(words), timed);
  if (!outcome || outcome->exit() != 0) return std::nullopt;
  auto read = Json::parse(outcome->out, nullptr, false);
  if (!read.is_discarded()) return read;
  fault("prints what is no JSON: " + outcome->out.substr(0, 300));
  return std::nullopt;
}

void Trial::look_at_it() {
  const std::vector<std::string> forms{"--json", "--yaml", "--dot", "--svg"};
  Words show{"topo", "show", "m.yaml"};
  if (machine_->chance(70)) show.push_back(machine_->one_of(forms));
  const auto shown = command("show", show, false);
  const bool too_much = shown && shown->err.find("together, which is the most that can be counted") != shown->err.npos;
  if (shown && shown->exit() == 1 && machine_->gpus() > 0 && !too_much) fault("refused: " + last_lines(shown->err));
  for (const auto& collective : {machine_->one_of(collectives), std::string{"all_reduce"}}) {
    const auto bound = json("bound", {"bound", "--topology", "m.yaml", "--collective", collective}, true);
    if (!bound || !number(*bound, "algbw_gbps")) continue;
    const double rate = (*bound)["algbw_gbps"];
    const double inverse = (*bound)["inverse_rate"].is_string() ? value_of((*bound)["inverse_rate"]) : 0;
    if (!(rate >= 0 && inverse >= 0) || !std::isfinite(rate) || !std::isfinite(inverse)) fault("is no bound: " + bound->dump());
    bounds_[collective] = rate;
  }
}

Trial::Asked Trial::asked() {
  Asked made;
  made.collective = machine_->chance(35) ? "all_reduce" : machine_->one_of(collectives);
  made.words = {"--collective", made.collective, "--size", machine_->one_of(sizes)};
  if (machine_->chance(25)) made.words.insert(made.words.end(), {"--root", std::to_string(machine_->between(0, machine_->gpus() - 1))});
  if (machine_->chance(15) && machine_->gpus() > 2) {
    std::string ranks;
    for (int g = 0; g < machine_->gpus(); ++g) {
      if (machine_->chance(60)) ranks += (ranks.empty() ? "" : ",") + std::to_string(g);
    }
    if (!ranks.empty() && made.words.size() == 4) {
      made.words.insert(made.words.end(), {"--ranks", ranks});
      if (machine_->chance(50)) made.words.emplace_back("--relays");
    }
  }
  made.in_place = machine_->chance(15);
  if (made.in_place) made.words.emplace_back("--in-place");
  if (machine_->chance(15)) made.words.insert(made.words.end(), {"--order", "fixed"});
  if (machine_->chance(20)) made.words.insert(made.words.end(), {"--dtype", machine_->chance(50) ? "float16" : "int8"});
  return made;
}

void Trial::check_plan(const Json& plan, const std::string& planner) {
  if (plan.value("verified", false) != true) fault("not proved");
  if (number(plan, "optimality") && plan["optimality"] > 1 + near) fault(fmt::format("is at {} of its bound", plan["optimality"].get<double>()));
  if (number(plan, "algbw_gbps") && number(plan, "bound_gbps") && plan["algbw_gbps"] > plan["bound_gbps"].get<double>() * (1 + near) + near)
    fault(fmt::format("{} GB/s with a bound of {}", plan["algbw_gbps"].get<double>(), plan["bound_gbps"].get<double>()));
  if (number(plan, "predicted_us") && number(plan, "bound_us") && plan["predicted_us"] < plan["bound_us"].get<double>() * (1 - near) - 2 * near)
    fault(fmt::format("{} us with a bound of {}", plan["predicted_us"].get<double>(), plan["bound_us"].get<double>()));
  for (const char* key : {"algbw_gbps", "bound_gbps", "optimality", "predicted_us", "bound_us"}) {
    if (number(plan, key) && (!std::isfinite(plan[key].get<double>()) || plan[key] < 0)) fault(fmt::format("{} is {}", key, plan[key].dump()));
  }
  if (planner != "auto" && plan["algorithm"] != planner) fault("is of " + plan["algorithm"].dump());
}

void Trial::plan_with_all() {
  for (const auto& planner : planners) {
    const auto question = asked();
    Words words{"plan", "--topology", "m.yaml", "--algorithm", planner};
    words.insert(words.end(), question.words.begin(), question.words.end());
    words.insert(words.end(), {"--out", "new.json"});
    std::error_code ignored;
    std::filesystem::remove(folder_ / "new.json", ignored);
    const auto plan = json("plan", words, true);
    if (!plan) continue;
    check_plan(*plan, planner);
    // The bound that `bound` says of the same; both may be cut off by time, so the plan's may be the weaker one.
    const auto known = bounds_.find(question.collective);
    const bool all =
        std::ranges::find(question.words, "--ranks") == question.words.end() && std::ranges::find(question.words, "--root") == question.words.end();
    if (known != bounds_.end() && all && number(*plan, "algbw_gbps") && (*plan)["algbw_gbps"] > known->second * (1 + near) + near)
      fault(fmt::format("{} GB/s where `bound` says {}", (*plan)["algbw_gbps"].get<double>(), known->second));
    Words verify{"verify", "new.json"};
    if (question.in_place) verify.emplace_back("--in-place");
    const auto verified = command("verify", verify, false);
    if (verified && verified->exit() != 0) fault("refuses the plan of " + joined(words));
    if (planned_ && !machine_->chance(40)) continue;
    std::filesystem::rename(folder_ / "new.json", folder_ / "plan.json", ignored);
    planned_ = !ignored;
    plan_in_place_ = question.in_place;
  }
}

void Trial::use_plan() {
  const auto simulated = json("simulate", {"simulate", "plan.json"});
  if (simulated && (*simulated)["predicted_us"] < (*simulated)["program_bound_us"].get<double>() * (1 - near) - 2 * near)
    fault(fmt::format("{} us with a bound of {}", (*simulated)["predicted_us"].dump(), (*simulated)["program_bound_us"].dump()));
  const std::vector<std::string> engines{"max-min", "path"};
  json("simulate", {"simulate", "plan.json", "--engine", machine_->one_of(engines)});
  if (machine_->chance(20))
    command("simulate", {"simulate", "plan.json", "--trace", "trace.json", "--heatmap", machine_->chance(50) ? "h.svg" : "h.csv"}, false);
  Words checked{"plan", "--check", "plan.json", "--program", "program.json"};
  if (plan_in_place_) checked.emplace_back("--in-place");
  const auto again = json("plan", checked);
  if (again) {
    check_plan(*again, again->value("algorithm", ""));
    const auto verified = command("verify", {"verify", "program.json"}, false);
    if (verified && verified->exit() != 0) fault("refuses a program of ours: " + last_lines(verified->err));
  }
}

// A third of the formats on each machine: the commands are what is tried, and each of them reads the plan first.
void Trial::export_it() {
  constexpr int at_once = 3;
  const auto first = static_cast<std::size_t>(machine_->between(0, static_cast<int>(formats.size()) - 1));
  for (std::size_t f = 0; f < formats.size(); f += at_once) {
    const auto& format = formats[(first + f) % formats.size()];
    const auto written = command("export", {"export", "--format", format, "plan.json", "--out", "x." + format}, false);
    // What a reader of ours takes is read again, and proved.
    if (!written || written->exit() != 0 || !(format == "msccl-xml" || format == "mscclpp-json")) continue;
    command("import", {"import", "x." + format, "--topology", "m.yaml", "--out", "again.json"}, false);
  }
}

void Trial::study_it() {
  const auto gpus = machine_->gpus();
  json("place", {"place", "--topology", "m.yaml", "--gpus", std::to_string(machine_->between(1, gpus))}, true);
  json("advise", {"advise", "m.yaml"}, true);
  const auto& collective = machine_->one_of(collectives);
  json("tune",
       {"tune", "--topology", "m.yaml", "--collective", collective, "--sizes", "1 KiB..4 MiB", "--factor", "64", "--profile", "ideal", "--out",
        "tuned.yaml"},
       true);
  json("what-if", {"what-if", "--topology", "m.yaml", "--size", "1 MiB", "--samples", "10"}, true);
  json("frontier", {"frontier", "--topology", "m.yaml", "--collective", collective, "--chunks", "2"}, true);
}

void Trial::run_config() {
  std::ofstream(folder_ / "c.yaml") << fmt::format("version: 1\ntopology: {{file: m.yaml}}\ncollectives: [{}]\nalgorithms: [{}]\nsizes: [{}]\n",
                                                   machine_->one_of(collectives), machine_->one_of(planners), machine_->one_of(sizes));
  const auto report = json("run", {"run", "c.yaml", "--out", "out"});
  if (!report) return;
  for (const auto& row : (*report)["rows"]) {
    if (number(row, "time_us") && number(row, "bound_us") && row["algorithm"] != "nccl_model" &&
        row["time_us"] < row["bound_us"].get<double>() * (1 - near) - 2 * near)
      fault("a row below its bound: " + row.dump());
  }
}

}  // namespace p2plab::wild
