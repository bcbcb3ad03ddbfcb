// SPDX-License-Identifier: Apache-2.0
// p2plab list algorithms|presets|executors|exporters: what names may be used, with their parameters.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/builtin_exporters.h"
#include "run/executors.h"

namespace p2plab::cli {

namespace {

// One thing that can be named.
struct Item {
  std::string name;
  std::string summary;
  std::vector<ParameterInfo> parameters = {};
};

std::string text_of(const std::vector<Item>& items) {
  std::size_t widest = 0;
  for (const auto& item : items) {
    widest = std::max(widest, item.name.size());
    for (const auto& known : item.parameters) widest = std::max(widest, known.name.size() + known.fallback.size() + 3);
  }
  std::string text;
  for (const auto& item : items) {
    text += fmt::format("{:<{}}  {}\n", item.name, widest, item.summary);
    for (const auto& known : item.parameters) text += fmt::format("  {:<{}}  {}\n", known.name + "=" + known.fallback, widest - 2, known.summary);
  }
  return text;
}

std::string json_of(const std::vector<Item>& items) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& item : items) {
    auto parameters = nlohmann::ordered_json::array();
    for (const auto& known : item.parameters) parameters.push_back({{"name", known.name}, {"summary", known.summary}, {"default", known.fallback}});
    json.push_back({{"name", item.name}, {"summary", item.summary}, {"parameters", parameters}});
  }
  return json.dump(2) + "\n";
}

std::vector<Item> all_algorithms() {
  std::vector<Item> items;
  for (const auto& algorithm : algorithms()) items.push_back({algorithm.name, algorithm.summary, algorithm.parameters});
  return items;
}

std::vector<Item> presets() {
  std::vector<Item> items;
  for (const auto& preset : builtin_presets()) items.push_back({preset.name, preset.summary, preset.parameters});
  return items;
}

std::vector<Item> executors() {
  std::vector<Item> items;
  for (const auto& name : known_executors()) {
    const auto state = executor_state(name);
    items.push_back({name, state ? executor_summary(name) : "not here: " + state.error().message});
  }
  return items;
}

std::vector<Item> exporters() {
  std::vector<Item> items;
  const auto all = builtin_exporters();
  for (const auto& entry : all.entries()) items.push_back({entry.name, entry.summary, entry.parameters});
  return items;
}

Command list_one(CLI::App& parent, const std::string& name, const std::string& summary, std::vector<Item> (*items)()) {
  auto json = std::make_shared<bool>(false);
  auto* app = add_command(parent, name, summary, "p2plab list " + name);
  app->add_flag("--json", *json, "print as JSON");
  return {app, [json, items](Watch& watch) { return watch.print(*json ? json_of(items()) : text_of(items())); }};
}

}  // namespace

std::vector<Command> list_commands(CLI::App& parent) {
  auto* list = add_command(parent, "list", "What names may be used, with their parameters", "p2plab list algorithms");
  list->require_subcommand(1);
  return {list_one(*list, "algorithms", "Planners: how a collective can be done", all_algorithms),
          list_one(*list, "presets", "Machines by name", presets),
          list_one(*list, "executors", "What can run plans, and whether this machine can", executors),
          list_one(*list, "exporters", "Formats of other systems that plans can be written in", exporters)};
}

}  // namespace p2plab::cli
