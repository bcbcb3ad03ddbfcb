// SPDX-License-Identifier: Apache-2.0
// p2plab what-if: how much slower or faster a plan gets when the machine changes, and what it depends on most.
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/what_if.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/simulator/sensitivity.h"
#include "report/text_table.h"

namespace p2plab::cli {

namespace {

struct WhatIfArguments {
  std::string plan;
  MachineArgument topology;
  GroupArguments group;
  std::string sizes = "64 MiB";
  std::string algorithm = "auto";
  std::string dtype = "float32";
  std::string profile;
  std::vector<std::string> links;
  std::vector<std::string> gpus;
  std::vector<std::string> numbers;
  double jitter = 0;
  std::string straggler;
  double straggler_chance = 1;
  int samples = 1000;
  std::uint64_t seed = 1;
  std::size_t top = 10;
  LimitArguments limits;
  bool json = false;
};

// Everything that is printed.
struct Answers {
  Subject subject;
  std::vector<Answer> answers = {};
  std::vector<Sensitivity> sensitivities = {};
  std::optional<JitterResult> spread = std::nullopt;
};

// "gpu0,sw0=0.5" as the text before the last '=' and the number after it.
Result<std::pair<std::string, double>> factor_of(const std::string& word, const std::string& wanted) {
  const auto equals = word.rfind('=');
  double factor = 0;
  if (equals != std::string::npos && equals > 0) {
    const auto [end, fault] = std::from_chars(word.data() + equals + 1, word.data() + word.size(), factor);
    if (fault == std::errc{} && end == word.data() + word.size() && std::isfinite(factor)) return std::pair{word.substr(0, equals), factor};
  }
  return Error{ErrorCode::usage, fmt::format("expected {}, got '{}'", wanted, word)};
}

Result<std::vector<Question>> questions_of(const WhatIfArguments& arguments) {
  std::vector<Question> questions;
  for (const auto& word : arguments.links) {
    auto change = factor_of(word, "--link A,B=FACTOR (0 is lost)");
    if (!change) return std::move(change).error();
    const auto comma = change->first.find(',');
    if (comma == std::string::npos) return Error{ErrorCode::usage, fmt::format("expected two nodes, as in gpu0,nvswitch0=0.5, got '{}'", word)};
    questions.push_back({.machine = {.links = {{change->first.substr(0, comma), change->first.substr(comma + 1), change->second}}}});
  }
  for (const auto& word : arguments.gpus) {
    auto change = factor_of(word, "--gpu NAME=FACTOR");
    if (!change) return std::move(change).error();
    questions.push_back({.machine = {.gpus = {{change->first, change->second}}}});
  }
  for (const auto& word : arguments.numbers) {
    auto change = factor_of(word, "--number NAME=FACTOR");
    if (!change) return std::move(change).error();
    questions.push_back({.machine = {}, .numbers = {*change}});
  }
  return questions;
}

Result<Subject> subject_of_plan(const WhatIfArguments& arguments) {
  auto file = plan_from(arguments.plan);
  if (!file) return std::move(file).error();
  auto profile = profile_from(arguments.profile, file->topology);
  if (!profile) return std::move(profile).error();
  const Evaluator evaluator(file->topology, *profile);
  auto proved = evaluator.prove(file->plan, file->in_place);
  if (!proved) return std::move(proved).error();
  auto evaluation = evaluator.evaluate_as(*std::move(proved), file->payload, file->plan.tuning);
  if (!evaluation) return std::move(evaluation).error();
  Subject subject{file->topology, *profile, file->plan.schedule.collective(), file->in_place, {arguments.algorithm}};
  subject.parts.push_back({1, *std::move(evaluation)});
  return subject;
}

Result<Subject> planned_subject(const WhatIfArguments& arguments, const Watch& watch) {
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  auto collective = collective_from(arguments.group, topology->ranks());
  if (!collective) return std::move(collective).error();
  topology = machine_of(arguments.group, *topology);
  if (!topology) return std::move(topology).error();
  auto sizes = read_option("--size", size_shares(arguments.sizes));
  if (!sizes) return std::move(sizes).error();
  auto profile = profile_from(arguments.profile, *topology);
  if (!profile) return std::move(profile).error();
  Subject subject{*topology, *profile, *collective, false, {arguments.algorithm}};
  const Planning planning(Evaluator(*topology, *profile));
  for (const auto& share : *sizes) {
    auto payload = payload_from(share.size, arguments.dtype);
    if (!payload) return std::move(payload).error();
    auto evaluation = planning.plan(subject.replan, *collective, *payload, PlanningOptions{.time_limit = watch.time_left()});
    if (!evaluation) return std::move(evaluation).error();
    subject.parts.push_back({share.weight, *std::move(evaluation)});
  }
  return subject;
}

Result<Subject> subject_of(const WhatIfArguments& arguments, const Watch& watch) {
  if (arguments.plan.empty() == arguments.topology.empty())
    return Error{ErrorCode::usage, "give a plan file, or --topology with what to plan for it"};
  return arguments.plan.empty() ? planned_subject(arguments, watch) : subject_of_plan(arguments);
}

double change_pct(Seconds time, Seconds base) { return base.count() > 0 ? 100 * (time / base - 1) : 0; }

std::string time_cell(const std::optional<Seconds>& time, Seconds base) {
  return time ? fmt::format("{:.2f} us ({:+.1f} %)", microseconds(*time), change_pct(*time, base)) : "cannot";
}

// What each planner says is for --json; a table has room for the first.
std::string first_reason(const std::string& reasons) { return reasons.substr(0, reasons.find("; ")); }

std::string text_of(const Answers& all, std::size_t top) {
  const auto base = all.subject.time();
  std::string text;
  for (const auto& part : all.subject.parts) {
    text += fmt::format("{} of {} with {}: {:.2f} us{}\n", to_string(all.subject.collective.kind), to_string(part.evaluation.program.payload.size()),
                        part.evaluation.plan().planner, microseconds(part.evaluation.prediction.time),
                        all.subject.parts.size() > 1 ? fmt::format(", {:.1f} % of the calls", 100 * part.weight) : "");
  }
  if (all.subject.parts.size() > 1) text += fmt::format("mean over these sizes: {:.2f} us\n", microseconds(base));
  text += fmt::format("times by profile {}\n", all.subject.profile.name);
  using enum TextTable::Align;
  TextTable table({{"what if"}, {"same plan", right}, {"planned anew", right}, {"with"}});
  for (const auto& answer : all.answers) {
    table.add({answer.what, time_cell(answer.kept, base), time_cell(answer.replanned, base),
               answer.algorithm.empty() ? first_reason(answer.replanned_error) : answer.algorithm});
  }
  if (!all.answers.empty()) text += "\n" + table.text();
  TextTable gains({{"10 % better"}, {"gains us", right}, {"gains %", right}});
  for (std::size_t s = 0; s < std::min(top, all.sensitivities.size()); ++s) {
    const auto& row = all.sensitivities[s];
    if (row.gain.count() <= 0) break;
    gains.add({row.parameter, fmt::format("{:.3f}", microseconds(row.gain)), fmt::format("{:.2f}", row.gain_pct)});
  }
  if (!all.sensitivities.empty()) text += "\n" + gains.text();
  if (all.spread) {
    const auto& s = *all.spread;
    text += fmt::format("\n{} calls with spread: p50 {:.2f} us, p90 {:.2f} us, p99 {:.2f} us, mean {:.2f} us, worst {:.2f} us (steady {:.2f} us)\n",
                        s.samples, microseconds(s.p50), microseconds(s.p90), microseconds(s.p99), microseconds(s.mean), microseconds(s.worst),
                        microseconds(s.steady));
  }
  return text;
}

std::string json_of(const Answers& all) {
  using Json = nlohmann::ordered_json;
  const auto time = [](const std::optional<Seconds>& value) { return value ? Json(microseconds(*value)) : Json(nullptr); };
  const auto word = [](const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); };
  Json json{{"collective", to_string(all.subject.collective.kind)},
            {"ranks", all.subject.collective.members.size()},
            {"predicted_us", microseconds(all.subject.time())},
            {"profile", all.subject.profile.name}};
  for (const auto& part : all.subject.parts) {
    json["sizes"].push_back({{"size_bytes", part.evaluation.program.payload.size().count()},
                             {"share", part.weight},
                             {"algorithm", part.evaluation.plan().planner},
                             {"predicted_us", microseconds(part.evaluation.prediction.time)}});
  }
  json["what_if"] = Json::array();
  for (const auto& a : all.answers) {
    json["what_if"].push_back({{"change", a.what},
                               {"same_plan_us", time(a.kept)},
                               {"same_plan_error", word(a.kept_error)},
                               {"replanned_us", time(a.replanned)},
                               {"replanned_error", word(a.replanned_error)},
                               {"algorithm", word(a.algorithm)}});
  }
  json["sensitivities"] = Json::array();
  for (const auto& s : all.sensitivities) {
    json["sensitivities"].push_back({{"parameter", s.parameter},
                                     {"gain_us", microseconds(s.gain)},
                                     {"gain_pct", s.gain_pct},
                                     {"elasticity", s.elasticity},
                                     {"seconds_per_unit", s.derivative}});
  }
  if (all.spread) {
    const auto& s = *all.spread;
    json["spread"] = {
        {"samples", s.samples},          {"steady_us", microseconds(s.steady)}, {"mean_us", microseconds(s.mean)},  {"p50_us", microseconds(s.p50)},
        {"p90_us", microseconds(s.p90)}, {"p99_us", microseconds(s.p99)},       {"worst_us", microseconds(s.worst)}};
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The size that takes most of the time stands for all in what needs one program.
const Subject::Part& main_part(const Subject& subject) {
  return *std::ranges::max_element(subject.parts, {},
                                   [](const Subject::Part& part) { return part.weight * part.evaluation.prediction.time.count(); });
}

Status add_spread(Answers& all, const WhatIfArguments& arguments) {
  if (arguments.jitter == 0 && arguments.straggler.empty()) return {};
  Spread spread{
      .link_jitter = arguments.jitter / 100, .straggler_chance = arguments.straggler_chance, .samples = arguments.samples, .seed = arguments.seed};
  if (!arguments.straggler.empty()) {
    auto delay = read_option("--straggler", parse_time(arguments.straggler));
    if (!delay) return std::move(delay).error();
    spread.straggler = *delay;
  }
  auto result = simulate_jitter(all.subject.topology, main_part(all.subject).evaluation.program, all.subject.profile, spread);
  if (!result) return std::move(result).error();
  all.spread = *result;
  return {};
}

Status answer(const WhatIfArguments& arguments, Watch& watch) {
  const auto limit = limits_from(arguments.limits, watch);
  if (!limit) return limit.error();
  auto questions = questions_of(arguments);
  if (!questions) return std::move(questions).error();
  auto subject = subject_of(arguments, watch);
  if (!subject) return std::move(subject).error();
  Answers all{*std::move(subject)};
  const bool asked = !questions->empty() || arguments.jitter != 0 || !arguments.straggler.empty();
  if (!asked) questions = usual_questions(all.subject);
  if (!questions) return std::move(questions).error();
  for (const auto& question : *questions) {
    auto found = what_if(all.subject, question, [&] { return watch.time_left(); });
    if (!found) return std::move(found).error();
    all.answers.push_back(*std::move(found));
    watch.keep([&watch, text = arguments.json ? json_of(all) : text_of(all, arguments.top)](const std::string&) { return watch.print(text); });
    if (!*limit || watch.time_left().value_or(Seconds{0}).count() > 0) continue;
    std::cerr << fmt::format("note: the time was enough for {} of {} answers\n", all.answers.size(), questions->size());
    return watch.print(arguments.json ? json_of(all) : text_of(all, arguments.top));
  }
  if (!asked) {
    auto ranked = sensitivities(all.subject.topology, main_part(all.subject).evaluation.program, all.subject.profile);
    if (!ranked) return std::move(ranked).error();
    all.sensitivities = *std::move(ranked);
  }
  if (auto ok = add_spread(all, arguments); !ok) return ok;
  return watch.print(arguments.json ? json_of(all) : text_of(all, arguments.top));
}

}  // namespace

Command what_if_command(CLI::App& parent) {
  auto a = std::make_shared<WhatIfArguments>();
  auto* app = add_command(parent, "what-if", "How a plan's time changes with the machine, what it depends on most, and how it spreads",
                          "p2plab what-if --topology dgx-v100 --size '16 MiB' --link gpu0,gpu3=0.5 --gpu gpu1=0.8");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` wrote; or say what to plan");
  add_machine_options(*app, a->topology, "--topology", "a file or a preset, as in hgx-h200:gpus=4");
  add_group_options(*app, a->group);
  app->add_option("--size", a->sizes, "a size, or sizes with how often each comes, as in '64 KiB:3,1 MiB'")->capture_default_str()->type_name("S");
  app->add_option("--algorithm", a->algorithm, "the planner, also for planning anew")->capture_default_str()->type_name("A");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--link", a->links, "bandwidth of the links between two nodes times a factor, 0 for lost; may be repeated")
      ->type_name("A,B=FACTOR");
  app->add_option("--gpu", a->gpus, "all links of a GPU times a factor; may be repeated")->type_name("NAME=FACTOR");
  app->add_option("--number", a->numbers, "a number of the profile times a factor; may be repeated")->type_name("NAME=FACTOR");
  app->add_option("--jitter", a->jitter, "standard deviation of every link's bandwidth, in percent (lognormal)")
      ->capture_default_str()
      ->type_name("PERCENT");
  app->add_option("--straggler", a->straggler, "mean delay of a rank's start, as in '2 us' (exponential)")->type_name("TIME");
  app->add_option("--straggler-chance", a->straggler_chance, "the chance that a rank is late")->capture_default_str()->type_name("P");
  app->add_option("--samples", a->samples, "calls to draw")->capture_default_str()->type_name("N");
  app->add_option("--seed", a->seed, "of the draws")->capture_default_str()->type_name("N");
  app->add_option("--top", a->top, "how many sensitivities to print (--json has all)")->capture_default_str()->type_name("N");
  app->add_flag("--json", a->json, "print as JSON");
  add_time_limit(*app, a->limits, "how long to look; then the answers so far", "");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return answer(*a, watch); }};
}

}  // namespace p2plab::cli
