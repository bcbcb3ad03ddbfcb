// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/what_if.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

namespace {

Result<Profile> changed_profile(const Profile& profile, const Question& question) {
  auto result = profile;
  for (const auto& [name, factor] : question.numbers) {
    const auto known = profile_numbers();
    std::vector<std::string> names;
    for (const auto& number : known) names.emplace_back(number.name);
    if (std::ranges::find(names, name) == names.end()) return unknown_name("profile number", name, names);
    if (!(factor >= 0 && std::isfinite(factor)))
      return Error{ErrorCode::invalid_input, fmt::format("a number's factor must be 0 or more, found {}", factor)};
    if (const auto value = number_of(result, name)) result = with_number(std::move(result), name, *value * factor);
  }
  if (auto ok = check(result); !ok) return std::move(ok).error();
  return result;
}

std::string reason(const Error& error) {
  auto text = error.message;
  for (const auto& note : error.notes) text += "; " + note;
  return text;
}

void keep(Answer& answer, const Subject& subject, const ChangedMachine& machine, const Evaluator& evaluator) {
  Seconds sum{0};
  for (const auto& part : subject.parts) {
    auto program = on_machine(part.evaluation.program, machine);
    auto time = program ? evaluator.time(*program) : Result<Seconds>{std::move(program).error()};
    if (!time) {
      answer.kept_error = reason(time.error());
      return;
    }
    sum += part.weight * *time;
  }
  answer.kept = sum;
}

void replan(Answer& answer, const Subject& subject, const Evaluator& evaluator, const TimeLeft& time_left) {
  Seconds sum{0};
  std::vector<std::string> algorithms;
  for (const auto& part : subject.parts) {
    const PlanningOptions options{.in_place = subject.in_place, .time_limit = time_left ? time_left() : std::nullopt};
    const auto evaluation = plan_one(evaluator, subject.replan, subject.collective, part.evaluation.program.payload, options);
    if (!evaluation) {
      answer.replanned_error = reason(evaluation.error());
      return;
    }
    sum += part.weight * evaluation->prediction.time;
    if (std::ranges::find(algorithms, evaluation->plan().planner) == algorithms.end()) algorithms.push_back(evaluation->plan().planner);
  }
  answer.replanned = sum;
  answer.algorithm = fmt::format("{}", fmt::join(algorithms, ", "));
}

}  // namespace

std::string Question::text() const {
  auto text = describe(machine);
  for (const auto& [name, factor] : numbers) text += fmt::format("{}{} x {:g}", text.empty() ? "" : ", ", name, factor);
  return text;
}

Result<std::vector<SizeShare>> size_shares(const std::string& text) {
  std::vector<SizeShare> shares;
  double sum = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto word = text.substr(at, comma - at);
    const auto colon = word.find(':');
    auto size = parse_bytes(word.substr(0, colon));
    if (!size) return std::move(size).error();
    SizeShare share{*size, 1};
    if (colon != std::string::npos) {
      const auto weight = word.substr(colon + 1);
      const auto [end, fault] = std::from_chars(weight.data(), weight.data() + weight.size(), share.weight);
      if (fault != std::errc{} || end != weight.data() + weight.size() || !(share.weight > 0) || !std::isfinite(share.weight)) {
        return Error{ErrorCode::invalid_input, fmt::format("expected a weight above zero after '{}:', got '{}'", word.substr(0, colon), weight)};
      }
    }
    if (std::ranges::find(shares, share.size, &SizeShare::size) != shares.end())
      return Error{ErrorCode::invalid_input, fmt::format("{} is given twice", to_string(share.size))};
    sum += share.weight;
    shares.push_back(share);
    at = comma + 1;
  }
  for (auto& share : shares) share.weight /= sum;
  return shares;
}

Seconds Subject::time() const {
  Seconds sum{0};
  for (const auto& part : parts) sum += part.weight * part.evaluation.prediction.time;
  return sum;
}

Result<Answer> what_if(const Subject& subject, const Question& question, const TimeLeft& time_left) {
  auto machine = change_machine(subject.topology, question.machine);
  if (!machine) return std::move(machine).error();
  auto profile = changed_profile(subject.profile, question);
  if (!profile) return std::move(profile).error();
  const Evaluator evaluator(machine->topology, *profile);
  Answer answer{.what = question.text()};
  keep(answer, subject, *machine, evaluator);
  replan(answer, subject, evaluator, time_left);
  if (answer.kept && answer.replanned && *answer.kept < *answer.replanned) {
    answer.replanned = answer.kept;
    answer.algorithm = "the same plan";
  }
  return answer;
}

Result<std::vector<Question>> usual_questions(const Subject& subject) {
  const auto& topology = subject.topology;
  std::map<std::pair<NodeId, NodeId>, double> busy;
  for (const auto& part : subject.parts) {
    const auto result = simulate(topology, part.evaluation.program, subject.profile);
    if (!result) return result.error();
    for (std::size_t l = 0; l < topology.links().size(); ++l) {
      const auto& link = topology.links()[l];
      busy[{std::min(link.from, link.to), std::max(link.from, link.to)}] += part.weight * static_cast<double>(result->uses[l].busy.count());
    }
  }
  const auto most = std::ranges::max_element(busy, {}, [](const auto& row) { return row.second; });
  if (most == busy.end() || most->second <= 0) return std::vector<Question>{};
  const auto a = most->first.first;
  const auto b = most->first.second;
  const auto link = [&](double factor) { return Question{.machine = {.links = {{topology.node(a).name, topology.node(b).name, factor}}}}; };
  std::vector<Question> questions{link(0.5), link(0), link(2)};
  const auto gpu = topology.rank_of(a) ? a : topology.rank_of(b) ? b : topology.node_of(Rank{0});
  questions.push_back({.machine = {.gpus = {{topology.node(gpu).name, 0.5}}}});
  return questions;
}

}  // namespace p2plab
