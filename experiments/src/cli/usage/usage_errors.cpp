// SPDX-License-Identifier: Apache-2.0
#include "cli/usage/usage_errors.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/schedule/collective.h"

namespace p2plab::cli {

const CLI::App* deepest(const CLI::App& app) {
  const auto* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

std::string path_of(const CLI::App& app) {
  auto name = app.get_name();
  for (const auto* up = app.get_parent(); up != nullptr; up = up->get_parent()) name.insert(0, up->get_name() + " ");
  return name;
}

namespace {

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

}  // namespace

void refuse_values_of_flags(CLI::App& app) {
  for (auto* option : app.get_options()) {
    if (is_flag(*option)) option->disable_flag_override();
  }
  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) refuse_values_of_flags(*command);
}

namespace {

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> names_of_flags(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    for (const auto& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

Error usage_of(const CLI::App& command, std::string message, std::vector<std::string> notes = {}) {
  notes.push_back(fmt::format("see '{} --help'", path_of(command)));
  return Error{ErrorCode::usage, std::move(message), std::nullopt, std::move(notes)};
}

// A collective stands in the name of an nccl-tests program; here an option names it.
std::vector<std::string> if_collective(const CLI::App& command, const std::string& argument) {
  if (command.get_option_no_throw("--collective") == nullptr || !collective_kind(argument)) return {};
  return {fmt::format("a collective is named by --collective {}", argument)};
}

// An argument that no command takes: names the nearest that one does.
Error unexpected(const std::string& argument, const CLI::App& command) {
  const bool flag = argument.starts_with("-");
  const auto known = flag ? names_of_flags(command) : names_of_commands(command);
  if (!flag && known.empty()) return usage_of(command, fmt::format("unexpected argument '{}'", argument), if_collective(command, argument));
  const auto error = unknown_name(flag ? "option" : "command", flag ? argument.substr(0, argument.find('=')) : argument, known);
  return usage_of(command, error.message, error.notes);
}

bool has_too_many(const CLI::Option& option) {
  return option.get_multi_option_policy() == CLI::MultiOptionPolicy::Throw && static_cast<int>(option.count()) > option.get_items_expected_max();
}

Error given_twice(const CLI::Option& option, const CLI::App& command) {
  std::vector<std::string> quoted, notes;
  for (const auto& value : option.results()) {
    quoted.push_back(fmt::format("'{}'", value));
    if (notes.empty()) notes = if_collective(command, value);
  }
  const auto* by_place = option.get_positional() ? ", the argument without a name among them" : "";
  return usage_of(command, fmt::format("{} is given {} times{}: {}", option.get_name(), option.count(), by_place, fmt::join(quoted, ", ")), notes);
}

// The option that the text begins with, as CLI11's messages do, those on flags without dashes.
const CLI::Option* named_first(const CLI::App& command, const std::string& text) {
  for (const auto* option : command.get_options()) {
    const auto name = option->get_name();
    const auto begins = [&](const std::string& word) { return text.starts_with(word + ":") || text.starts_with(word + " "); };
    if (begins(name) || std::ranges::any_of(option->get_lnames(), begins)) return option;
  }
  return nullptr;
}

Error mismatch(const CLI::ParseError& fault, const CLI::App& command) {
  for (const auto* option : command.get_options()) {
    if (has_too_many(*option)) return given_twice(*option, command);
  }
  const std::string text = fault.what();
  const auto* option = named_first(command, text);
  if (option == nullptr) return usage_of(command, text);
  if (is_flag(*option)) return usage_of(command, fmt::format("{} takes no value", option->get_name()));
  return usage_of(command, fmt::format("{} needs a value: {}", option->get_name(), option->get_description()));
}

Error missing(const CLI::ParseError& fault, const CLI::App& command) {
  if (const auto known = names_of_commands(command); !known.empty()) {
    return usage_of(command, fmt::format("{} needs a command", path_of(command)), {fmt::format("known: {}", fmt::join(known, ", "))});
  }
  const std::string text = fault.what();
  const auto* option = named_first(command, text);
  std::vector<std::string> notes;
  if (option != nullptr) notes.push_back(fmt::format("{}: {}", option->get_name(), option->get_description()));
  if (!command.get_footer().empty()) notes.push_back(command.get_footer());
  return usage_of(command, text, notes);
}

}  // namespace

Error usage_error(const CLI::ParseError& fault, const CLI::App& app) {
  const auto& command = *deepest(app);
  if (const auto rest = app.remaining(true); !rest.empty()) return unexpected(rest.front(), command);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&fault) != nullptr) return mismatch(fault, command);
  if (dynamic_cast<const CLI::RequiredError*>(&fault) != nullptr) return missing(fault, command);
  return usage_of(command, fault.what());
}

Status no_empty_values(const CLI::App& app) {
  const auto& command = *deepest(app);
  for (const auto* option : command.get_options()) {
    if (option->count() == 0 || is_flag(*option)) continue;
    if (std::ranges::any_of(option->results(), [](const std::string& value) { return value.empty(); }))
      return usage_of(command, fmt::format("{}: the value is empty", option->get_name()));
  }
  return {};
}

}  // namespace p2plab::cli
