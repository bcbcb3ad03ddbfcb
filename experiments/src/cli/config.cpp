// SPDX-License-Identifier: Apache-2.0
// p2plab config example|check|show: config files, explained and tested; the variables that hold here.
#include <unistd.h>

#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "config/variables.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/settings_places.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/gallery.h"
#include "p2plab/experiment/process_groups.h"
#include "p2plab/experiment/sweep.h"

namespace p2plab::cli {

namespace {

std::string text_of(const nlohmann::ordered_json& json) { return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"; }

Status check_gallery(std::string_view text, const std::string& path, bool json, Watch& watch) {
  auto gallery = read_gallery(text, path);
  if (!gallery) return std::move(gallery).error();
  if (json) return watch.print(text_of({{"file", path}, {"good", true}, {"name", gallery->name}, {"machines", gallery->cases.size()}}));
  return watch.print(fmt::format("{}: good\n{}: a gallery of {} machines\n", path, gallery->name, gallery->cases.size()));
}

Status check_groups(std::string_view text, const std::string& path, bool json, Watch& watch) {
  const auto config = read_process_groups(text, path);
  if (!config) return config.error();
  if (json) return watch.print(text_of({{"file", path}, {"good", true}, {"name", config->name}, {"calls", config->calls.size()}}));
  return watch.print(fmt::format("{}: good\n{}: {} calls at once on {}\n", path, config->name, config->calls.size(), config->topology.name()));
}

nlohmann::ordered_json json_of(const Experiment& experiment) {
  std::vector<std::string> kinds;
  for (const auto kind : experiment.collectives) kinds.emplace_back(to_string(kind));
  std::vector<std::string> algorithms;
  for (const auto& choice : experiment.algorithms) algorithms.push_back(choice.label());
  std::vector<std::int64_t> sizes;
  for (const auto size : experiment.sizes) sizes.push_back(size.count());
  return {{"topology", experiment.topology.name()},
          {"ranks", experiment.topology.ranks()},
          {"collectives", kinds},
          {"algorithms", algorithms},
          {"sizes_bytes", sizes},
          {"dtype", to_string(experiment.dtype)}};
}

// One experiment as it always was; of a matrix each cell with its axes.
nlohmann::ordered_json json_of(const Sweep& sweep, const std::string& path) {
  nlohmann::ordered_json json{{"file", path}, {"good", true}, {"name", sweep.name}};
  const bool one = sweep.cells.front().axes.empty();
  for (const auto& cell : sweep.cells) {
    auto experiment = json_of(cell.experiment);
    if (one) {
      json.update(experiment);
      continue;
    }
    nlohmann::ordered_json axes = nlohmann::ordered_json::object();
    for (const auto& each : cell.axes) axes[each.axis] = each.value;
    experiment["axes"] = axes;
    json["cells"].push_back(experiment);
  }
  return json;
}

std::string line_of(const Experiment& experiment) {
  std::vector<std::string> kinds;
  for (const auto kind : experiment.collectives) kinds.emplace_back(to_string(kind));
  std::vector<std::string> algorithms;
  for (const auto& choice : experiment.algorithms) algorithms.push_back(choice.label());
  return fmt::format("{} GPUs of {}; {}; {}; {} sizes from {} to {}\n", experiment.topology.ranks(), experiment.topology.name(),
                     fmt::join(kinds, ", "), fmt::join(algorithms, ", "), experiment.sizes.size(), to_string(experiment.sizes.front()),
                     to_string(experiment.sizes.back()));
}

Status check_config(const std::string& path, bool json, Watch& watch) {
  auto text = read_text_file(path, longest_config);
  if (!text) return std::move(text).error();
  if (is_gallery(*text, path)) return check_gallery(*text, path, json, watch);
  if (is_process_groups(*text, path)) return check_groups(*text, path, json, watch);
  const auto sweep = read_sweep(*text, path);
  if (!sweep) return sweep.error();
  if (json) return watch.print(text_of(json_of(*sweep, path)));
  auto said = fmt::format("{}: good\n", path);
  for (const auto& cell : sweep->cells)
    said +=
        fmt::format("{}: {}", cell.axes.empty() ? sweep->name : fmt::format("{} ({})", sweep->name, to_string(cell.axes)), line_of(cell.experiment));
  return watch.print(said);
}

struct ShowArguments {
  std::string file = {};
  bool json = false;
  const CLI::Option* set = nullptr;  // of the whole program
};

// Of a settings file with mistakes nothing holds; they go to `mistakes`.
Result<VariableSources> sources_of(const ShowArguments& arguments, Status& mistakes) {
  VariableSources sources;
  for (char** each = environ; *each != nullptr; ++each) sources.environment.emplace_back(*each);
  for (const auto& text : arguments.set->results()) {
    auto one = read_setting(text);
    if (!one) return std::move(one).error();
    sources.command_line.push_back(std::move(one->first));
  }
  auto file = arguments.file.empty() ? settings_of_process() : read_settings_file(arguments.file);
  if (file) {
    sources.file = *std::move(file);
  } else {
    mistakes = std::move(file).error();
  }
  return sources;
}

std::string file_line(const VariableSources& sources, const Status& mistakes) {
  if (!mistakes) return "the settings file has mistakes, so nothing in it holds\n";
  if (sources.file.path.empty()) return fmt::format("no settings file: {} would be read\n", fmt::join(settings_places(), ", "));
  return fmt::format("settings file {}\n", sources.file.path);
}

// The way to a good file must not need one: what is wrong with the one that is there is said beside it.
Status example_of_settings(Watch& watch) {
  if (auto printed = watch.print(example_settings()); !printed) return printed;
  if (const auto& file = settings_of_process(); !file) std::cerr << describe(file.error());
  return {};
}

Status show_settings(const ShowArguments& arguments, Watch& watch) {
  Status mistakes;
  const auto sources = sources_of(arguments, mistakes);
  if (!sources) return sources.error();
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  auto text = file_line(*sources, mistakes);
  text += fmt::format("{:<17} {:<19} {:<32} {:<12} {}\n", "setting", "variable", "value", "from", "read by: what it is");
  int wrong = 0;
  for (const auto& state : variables_now(*sources)) {
    wrong += state.complaint.empty() ? 0 : 1;
    text +=
        fmt::format("{:<17} {:<19} {:<32} {:<12} {}: {}\n", state.key.empty() ? "-" : state.key, state.name, state.value.empty() ? "-" : state.value,
                    state.where ? fmt::format("{}:{}", state.from, state.where->line) : state.from, state.read_by, state.meaning);
    if (!state.complaint.empty()) text += fmt::format("{:<17} WRONG: {}\n", "", state.complaint);
    all.push_back({{"setting", state.key.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(state.key)},
                   {"variable", state.name},
                   {"value", state.value},
                   {"from", state.from},
                   {"line", state.where ? nlohmann::ordered_json(state.where->line) : nlohmann::ordered_json(nullptr)},
                   {"read_by", state.read_by},
                   {"meaning", state.meaning},
                   {"wrong", state.complaint.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(state.complaint)}});
  }
  if (auto printed = watch.print(arguments.json ? text_of(all) : text); !printed) return printed;
  if (!mistakes || wrong == 0) return mistakes;
  return Error{ErrorCode::invalid_input, wrong == 1 ? "1 variable is wrong" : fmt::format("{} variables are wrong", wrong)};
}

}  // namespace

std::vector<Command> config_commands(CLI::App& parent) {
  auto* config = add_command(parent, "config", "Config files, explained and tested", "p2plab config example > my.yaml");
  config->require_subcommand(1);
  auto* example = add_command(*config, "example", "Print a commented config that runs as it stands", "p2plab config example > my.yaml");
  auto path = std::make_shared<std::string>();
  auto* check = add_command(*config, "check", "Report every mistake of a config file", "p2plab config check my.yaml");
  check->add_option("file", *path, "the config file")->required()->type_name("FILE");
  auto json = std::make_shared<bool>(false);
  check->add_flag("--json", *json, "print what the config asks for as JSON");
  auto* show = add_command(*config, "show", "Each setting: its value, where it came from, who reads it", "p2plab config show");
  auto shown = std::make_shared<ShowArguments>();
  shown->set = parent.get_option("--set");
  show->add_option("--file", shown->file, "this settings file in place of the one that would be read")->type_name("FILE");
  show->add_flag("--json", shown->json, "print as JSON");
  auto* settings = add_command(*config, "settings", "Print a commented settings file", "p2plab config settings > ~/.config/p2plab/settings.yaml");
  return {{example, [](Watch& watch) { return watch.print(example_config()); }},
          {settings, example_of_settings},
          {show, [shown](Watch& watch) { return show_settings(*shown, watch); }},
          {check, [path, json](Watch& watch) { return check_config(*path, *json, watch); }}};
}

}  // namespace p2plab::cli
