// SPDX-License-Identifier: Apache-2.0
#include "config/question_source.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

namespace {

// An algorithm of this config, by its name in reports.
std::string algorithm_asked(const ConfigValue& value, const std::vector<AlgorithmChoice>& known) {
  auto name = value.string();
  if (name.empty() || std::ranges::any_of(known, [&](const AlgorithmChoice& each) { return each.label() == name; })) return name;
  std::vector<std::string> names;
  for (const auto& each : known) names.push_back(each.label());
  value.add_error(unknown_name("algorithm of this config", name, names));
  return name;
}

ConfigKeys keys_of(QuestionKind kind) {
  if (kind == QuestionKind::crossover) return {.required = {"kind", "of", "over"}};
  if (kind == QuestionKind::compare_machines) return {.required = {"kind", "with"}};
  return {.required = {"kind"}};
}

void read_other(const ConfigValue& value, const Askable& about, RunQuestion& question) {
  auto other = read_topology_key(value, about.folder);
  if (other) question.other = std::move(other->topology);
}

void take_whole(const ConfigValue& value, const Askable& about, RunQuestion& question) {
  if (about.machine == nullptr) return;
  if (about.machine->whole)
    question.other = about.machine->whole;
  else
    value.add_error("'cost' asks what the mask costs, but this config has none", {"write mask: {links: [[gpu0, gpu1]]}"});
}

RunQuestion read_question(const ConfigValue& value, const Askable& about) {
  RunQuestion question;
  const auto place = value.is_map() ? value["kind"] : value;
  if (value.is_map() && !place.present()) value.add_error("missing key 'kind'", {"write it as {kind: crossover, of: hierarchical, over: ring}"});
  question.kind = place.as(question_kind, QuestionKind::fastest, "a kind of question");
  if (value.is_map() && place.present() && !value.expect_keys(keys_of(question.kind))) return question;
  if (question.kind == QuestionKind::crossover) {
    if (!value.is_map()) value.add_error("'crossover' needs two algorithms", {"write it as {kind: crossover, of: hierarchical, over: ring}"});
    question.of = algorithm_asked(value["of"], *about.algorithms);
    question.over = algorithm_asked(value["over"], *about.algorithms);
  }
  if (question.kind == QuestionKind::compare_machines) {
    if (!value.is_map())
      value.add_error("'compare_machines' needs another machine", {"write it as {kind: compare_machines, with: {preset: hgx-h200}}"});
    read_other(value["with"], about, question);
  }
  if (question.kind == QuestionKind::cost) take_whole(value, about, question);
  return question;
}

}  // namespace

std::vector<RunQuestion> read_questions(const ConfigValue& value, const Askable& about) {
  if (!value.present()) return {RunQuestion{}};
  if (!value.is_list()) return {read_question(value, about)};
  std::vector<RunQuestion> questions;
  for (const auto& element : value.list(1)) questions.push_back(read_question(element, about));
  return questions;
}

}  // namespace p2plab
