// SPDX-License-Identifier: Apache-2.0
#include "config/variables.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace p2plab {

namespace {

const std::string* in_environment(const std::vector<std::string>& environment, std::string_view name) {
  const auto found = std::ranges::find_if(
      environment, [&](const std::string& each) { return each.size() > name.size() && each.starts_with(name) && each[name.size()] == '='; });
  return found == environment.end() ? nullptr : &*found;
}

}  // namespace

std::vector<VariableState> variables_now(const VariableSources& sources) {
  std::vector<VariableState> states;
  std::vector<std::string> names;
  for (const auto& rule : setting_rules()) {
    names.emplace_back(rule.variable);
    VariableState state{.key = std::string{rule.key},
                        .name = std::string{rule.variable},
                        .value = std::string{rule.usual},
                        .from = "default",
                        .read_by = std::string{rule.read_by},
                        .meaning = std::string{rule.meaning}};
    if (const auto* said = in_environment(sources.environment, rule.variable); said != nullptr) {
      state.value = said->substr(state.name.size() + 1);
      state.from = std::ranges::find(sources.command_line, state.name) != sources.command_line.end() ? "command line" : "environment";
      state.complaint = complaint_of(rule, state.value);
      if (rule.kind == SettingKind::secret) state.value = "(hidden)";
    } else if (const auto written = sources.file.by_variable.find(rule.variable); written != sources.file.by_variable.end()) {
      state.value = written->second.value;
      state.from = "file";
      state.where = written->second.where;
    }
    states.push_back(std::move(state));
  }
  for (const auto& each : sources.environment) {
    const auto name = each.substr(0, each.find('='));
    if (!name.starts_with("P2PLAB_") || std::ranges::find(names, name) != names.end()) continue;
    const auto error = unknown_name("variable", name, names);
    states.push_back({.name = name,
                      .value = each.size() > name.size() ? each.substr(name.size() + 1) : "",
                      .from = "environment",
                      .read_by = "nothing",
                      .complaint = fmt::format("{}; {}", error.message, fmt::join(error.notes, "; "))});
  }
  return states;
}

Result<std::pair<std::string, std::string>> read_setting(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    return Error{ErrorCode::usage, fmt::format("--set {}: a value is missing", text), std::nullopt, {"write it as --set library.deadline=5"}};
  auto rule = setting_rule(text.substr(0, equals));
  if (!rule) {
    auto error = std::move(rule).error();
    error.code = ErrorCode::usage;
    return error;
  }
  auto value = text.substr(equals + 1);
  if (const auto complaint = complaint_of(*rule, value); !complaint.empty())
    return Error{ErrorCode::usage, fmt::format("--set {}: {}", text, complaint)};
  return std::pair{std::string{rule->variable}, std::move(value)};
}

}  // namespace p2plab
