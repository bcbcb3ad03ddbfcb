// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/presets.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <system_error>

#include <fmt/format.h>

#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "sources/source_list.h"

namespace p2plab {

namespace {

// The GPUs of those presets that are machines one can buy.
Topology of_model(const Topology& topology, const std::string& preset) {
  using Named = std::pair<std::string_view, std::string_view>;
  constexpr auto models = std::to_array<Named>({{"p100", "p100"},
                                                {"v100", "v100"},
                                                {"dgx-2", "v100"},
                                                {"a100", "a100"},
                                                {"h100", "h100"},
                                                {"h200", "h200"},
                                                {"b200", "b200"},
                                                {"nvl72", "gb200"},
                                                {"mi100", "mi100"},
                                                {"mi250x", "mi250x"},
                                                {"mi300x", "mi300x"},
                                                {"mi325x", "mi325x"},
                                                {"mi350x", "mi350x"},
                                                {"mi355x", "mi355x"}});
  const auto found = std::ranges::find_if(models, [&](const Named& one) { return preset.ends_with(one.first); });
  if (found == models.end()) return topology;
  auto value = gpu_source(found->second, Origin::known, "preset " + preset);
  return value ? with_source(topology, *std::move(value)) : topology;
}

}  // namespace

Result<Topology> make_preset(const std::string& name, const Parameters& parameters) {
  const auto presets = builtin_presets();
  std::vector<std::string> names;
  for (const auto& preset : presets) {
    names.push_back(preset.name);
    if (preset.name != name) continue;
    auto complete = complete_parameters(fmt::format("preset {}", name), preset.parameters, parameters);
    if (!complete) return std::move(complete).error();
    auto topology = preset.make(*complete);
    if (topology) return of_model(*topology, name);
    auto error = std::move(topology).error();
    error.message = fmt::format("preset {}: {}", name, error.message);
    for (auto& more : error.more) more.message = fmt::format("preset {}: {}", name, more.message);
    return error;
  }
  return unknown_name("preset", name, names);
}

Result<PresetSpec> parse_preset_spec(const std::string& text) {
  PresetSpec spec;
  const auto colon = text.find(':');
  spec.name = text.substr(0, colon);
  if (spec.name.empty()) return Error{ErrorCode::invalid_input, "a preset needs a name, as in hgx-h200:gpus=4"};
  if (colon == std::string::npos) return spec;
  std::string* last = nullptr;
  std::size_t begin = colon + 1;
  while (begin < text.size()) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto piece = text.substr(begin, end - begin);
    begin = end + 1;
    const auto equals = piece.find('=');
    if (equals == std::string::npos && last != nullptr) {
      *last += "," + piece;  // the next member of a list
      continue;
    }
    if (equals == std::string::npos || equals == 0 || equals + 1 == piece.size()) {
      return Error{ErrorCode::invalid_input, fmt::format("expected parameter=value in the preset '{}', got '{}'", spec.name, piece.substr(0, 60))};
    }
    const auto [place, fresh] = spec.parameters.emplace(piece.substr(0, equals), piece.substr(equals + 1));
    if (!fresh) return Error{ErrorCode::invalid_input, fmt::format("parameter {} is given twice in the preset '{}'", place->first, spec.name)};
    last = &place->second;
  }
  return spec;
}

namespace {

bool ends_in(const std::string& text, std::string_view ending) { return text.size() > ending.size() && text.ends_with(ending); }

// Is this meant as a path, whether or not such a file exists? Parameters of presets have units such as GB/s.
bool is_path(const std::string& text) {
  std::error_code none;
  return text.find('/') < text.find(':') || ends_in(text, ".yaml") || ends_in(text, ".yml") || ends_in(text, ".json") || ends_in(text, ".xml") ||
         ends_in(text, ".txt") || std::filesystem::is_regular_file(text, none);
}

Result<Topology> from_import(Result<Imported> imported, std::vector<std::string>* warnings) {
  if (!imported) return std::move(imported).error();
  if (warnings != nullptr) warnings->insert(warnings->end(), imported->warnings.begin(), imported->warnings.end());
  return std::move(imported->topology);
}

}  // namespace

Result<Topology> resolve_topology(const std::string& text, std::vector<std::string>* warnings, const MachineAnswers& answers) {
  if (is_path(text)) {
    if (ends_in(text, ".xml")) return from_import(load_nccl_xml(text, answers), warnings);
    if (ends_in(text, ".txt")) return from_import(load_smi(text, answers), warnings);
    if (is_infragraph_file(text)) return from_import(load_infragraph(text, answers), warnings);
    auto topology = load_topology(text);
    if (!topology) return topology;
    if (warnings != nullptr) std::ranges::move(sentences_of(topology->sources().values), std::back_inserter(*warnings));
    return answered(*topology, answers);
  }
  auto spec = parse_preset_spec(text);
  if (!spec) return std::move(spec).error();
  auto topology = make_preset(spec->name, spec->parameters);
  if (topology) return answered(*topology, answers);
  if (topology.error().code != ErrorCode::unknown_name) return topology;
  auto error = std::move(topology).error();
  error.notes.emplace_back("a topology is a preset, as in hgx-h200:gpus=4, or a file: .yaml, .xml (NCCL's topology) or .txt (nvidia-smi topo -m)");
  return error;
}

}  // namespace p2plab
