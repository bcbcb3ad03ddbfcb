// SPDX-License-Identifier: Apache-2.0
#include "config/topology_source.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/run/detect.h"

namespace p2plab {

namespace {

// The value of a preset's parameter as text; a list of GPUs is written 0,1,4.
std::string parameter_text(const ConfigValue& value) {
  if (!value.is_list()) return value.string();
  std::string text;
  for (const auto& element : value.list(1)) text += (text.empty() ? "" : ",") + element.string();
  return text;
}

std::optional<Topology> noted(Result<Topology> result, const ConfigValue& place) {
  if (result) return *std::move(result);
  // Mistakes without a place of their own are in what stands here.
  auto error = std::move(result).error();
  for (auto& further : error.more) {
    if (!further.where) further.where = place.where();
  }
  place.add_error(std::move(error));
  return std::nullopt;
}

// The parameters of a preset; none if there is no such preset.
std::vector<std::string> names_of_parameters(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& preset : builtin_presets()) {
    if (preset.name != name) continue;
    for (const auto& known : preset.parameters) names.push_back(known.name);
  }
  return names;
}

std::optional<Machine> from_preset(const ConfigValue& value) {
  const auto name = value["preset"].string();
  if (name.empty()) return std::nullopt;
  const auto known = names_of_parameters(name);
  Parameters parameters;
  bool good = true;
  for (const auto& [key, given] : value.entries()) {
    if (key == "preset") continue;
    parameters[key] = parameter_text(given);
    if (known.empty() || std::ranges::find(known, key) != known.end()) continue;
    given.add_error(unknown_name(fmt::format("parameter of preset {}", name), key, known));
    good = false;
  }
  if (!good) return std::nullopt;
  auto topology = noted(make_preset(name, parameters), value["preset"]);
  if (!topology) return std::nullopt;
  return Machine{*std::move(topology)};
}

// A machine that lies in another file, by the key that says its format.
struct FileFormat {
  const char* key;
  std::function<Result<Imported>(const std::string&, const MachineAnswers&)> load;
};

Result<Imported> load_own(const std::string& path, const MachineAnswers& answers) {
  auto topology = load_topology(path);
  if (!topology) return std::move(topology).error();
  auto machine = answered(*topology, answers);
  if (!machine) return std::move(machine).error();
  return Imported{*std::move(machine)};
}

// The keys beside the one that says where the machine is: answers to what its description leaves open. None after a mistake.
std::optional<MachineAnswers> answers_beside(const ConfigValue& value, const char* place) {
  if (!value.expect_keys({.required = {place}, .optional = answer_keys()})) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> words;
  bool right = true;
  for (const auto& [key, given] : value.entries()) {
    if (key == place) continue;
    words.emplace_back(key, given.string());
    auto one = read_answers({words.back()});
    if (one) continue;
    given.add_error(std::move(one).error());
    right = false;
  }
  return right ? std::optional{*read_answers(words)} : std::nullopt;
}

std::optional<Machine> from_file(const ConfigValue& value, const FileFormat& format, const std::string& folder) {
  const auto answers = answers_beside(value, format.key);
  if (!answers) return std::nullopt;
  const auto given = value[format.key].string();
  if (given.empty()) return std::nullopt;
  auto imported = format.load((std::filesystem::path(folder) / given).string(), *answers);
  if (imported) return Machine{std::move(imported->topology), {}, std::move(imported->warnings)};
  // The mistakes are in the other file, so they keep their place there.
  auto error = std::move(imported).error();
  if (!error.where) error.where = value[format.key].where();
  value[format.key].add_error(std::move(error));
  return std::nullopt;
}

std::optional<Machine> from_detection(const ConfigValue& value) {
  if (!value["detect"].boolean(true)) {
    value["detect"].add_error("no machine given: 'detect: false'",
                              {"give one of preset, file, nccl_xml, smi, rocm, infragraph, ibnetdiscover, or nodes and links instead"});
    return std::nullopt;
  }
  const auto answers = answers_beside(value, "detect");
  if (!answers) return std::nullopt;
  auto detected = build_machine(gather_facts(), *answers);
  if (!detected) {
    auto error = std::move(detected).error();
    error.where = value["detect"].where();
    value["detect"].add_error(std::move(error));
    return std::nullopt;
  }
  Machine machine{std::move(detected->topology), {}, std::move(detected->warnings)};
  for (auto& disagreement : detected->disagreements) machine.warnings.push_back(std::move(disagreement));
  return machine;
}

LostLink read_lost_link(const ConfigValue& value) {
  LostLink lost;
  std::vector<ConfigValue> ends;
  if (value.is_list()) {
    ends = value.list(2, 2);
  } else {
    if (!value.expect_keys({.optional = {"between", "from", "to", "fraction", "bandwidth"}})) return lost;
    lost.both_directions = value["between"].present();
    ends = lost.both_directions ? value["between"].list(2, 2) : std::vector{value["from"], value["to"]};
    if (value["fraction"].present()) lost.fraction = value["fraction"].number({.least = 0, .most = 1}, 1);
    if (value["bandwidth"].present()) lost.bandwidth = value["bandwidth"].bandwidth();
    if (!lost.both_directions && !(value["from"].present() && value["to"].present())) {
      value.add_error("a lost link needs its two ends", {"write [gpu0, gpu1], {between: [gpu0, gpu1], fraction: 0.5} or {from: gpu0, to: gpu1}"});
    }
  }
  if (ends.size() != 2) return lost;
  lost.from = ends[0].string();
  lost.to = ends[1].string();
  return lost;
}

std::string words_of(const LostLink& lost) {
  auto text = fmt::format("link {} {} {}", lost.from, lost.both_directions ? "-" : "->", lost.to);
  if (lost.fraction) text = fmt::format("{:g} % of {}", *lost.fraction * 100, text);
  if (lost.bandwidth) text = fmt::format("{} of {}", to_string(*lost.bandwidth), text);
  return text;
}

// The machine without what the mask names; none after a mistake. Each name is tried alone first, so that a mistake is shown where it stands.
std::optional<Machine> masked(Machine machine, const ConfigValue& value) {
  if (!value.present()) return machine;
  if (!value.expect_keys({.optional = {"links", "gpus"}})) return std::nullopt;
  Mask mask;
  std::vector<std::string> words;
  bool right = true;
  if (value["gpus"].present()) {
    for (const auto& element : value["gpus"].list()) {
      const auto name = element.string();
      if (name.empty()) continue;
      words.push_back(name);
      right = noted(apply_mask(machine.topology, {.gpus = {name}}), element) && right;
      mask.gpus.push_back(name);
    }
  }
  if (value["links"].present()) {
    for (const auto& element : value["links"].list()) {
      auto lost = read_lost_link(element);
      if (lost.from.empty() || lost.to.empty()) continue;
      words.push_back(words_of(lost));
      right = noted(apply_mask(machine.topology, {.links = {lost}}), element) && right;
      mask.links.push_back(std::move(lost));
    }
  }
  if (!right) return std::nullopt;
  auto rest = noted(apply_mask(machine.topology, mask), value);
  if (!rest) return std::nullopt;
  return Machine{*std::move(rest), std::move(words), std::move(machine.warnings), std::move(machine.topology)};
}

}  // namespace

Result<Topology> detect_topology(std::vector<std::string>* warnings) {
  auto detected = build_machine(gather_facts());
  if (!detected) return std::move(detected).error();
  if (warnings != nullptr) {
    for (auto* list : {&detected->warnings, &detected->disagreements}) warnings->insert(warnings->end(), list->begin(), list->end());
  }
  return std::move(detected->topology);
}

std::optional<Machine> read_topology_key(const ConfigValue& value, const std::string& folder) {
  if (!value.present()) return std::nullopt;
  if (!value.is_map()) {
    value.add_error("expected a map that says where the machine comes from", {"as in {preset: hgx-h200, gpus: 8} or {file: machine.yaml}"});
    return std::nullopt;
  }
  const std::array<FileFormat, 6> formats{{{"file", load_own},
                                           {"nccl_xml", load_nccl_xml},
                                           {"smi", load_smi},
                                           {"rocm", load_smi},
                                           {"infragraph", load_infragraph},
                                           {"ibnetdiscover", load_ibnetdiscover}}};
  if (value["preset"].present()) return from_preset(value);
  for (const auto& format : formats) {
    if (value[format.key].present()) return from_file(value, format, folder);
  }
  if (value["detect"].present()) return from_detection(value);
  if (value["nodes"].present()) {
    auto topology = read_topology(value);
    if (!topology) return std::nullopt;
    return Machine{*std::move(topology)};
  }
  value.add_error("no machine given", {"give one of preset, file, nccl_xml, smi, rocm, infragraph, ibnetdiscover, detect, or nodes and links"});
  return std::nullopt;
}

std::optional<Machine> read_machine(const ConfigValue& topology, const ConfigValue& mask, const std::string& folder) {
  auto machine = read_topology_key(topology, folder);
  if (!machine) return std::nullopt;
  return masked(*std::move(machine), mask);
}

}  // namespace p2plab
