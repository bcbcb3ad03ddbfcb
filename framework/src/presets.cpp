#include "p2plab/presets.h"

#include <fmt/format.h>

namespace p2plab {

Result<Topology> make_preset(const std::string& name, const Parameters& parameters) {
  const auto presets = builtin_presets();
  std::vector<std::string> names;
  for (const auto& preset : presets) {
    names.push_back(preset.name);
    if (preset.name != name) continue;
    auto complete = complete_parameters(fmt::format("preset {}", name), preset.parameters, parameters);
    if (!complete) return std::move(complete).error();
    auto topology = preset.make(*complete);
    if (topology) return topology;
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

Result<Topology> resolve_topology(const std::string& text) {
  auto spec = parse_preset_spec(text);
  if (!spec) return std::move(spec).error();
  return make_preset(spec->name, spec->parameters);
}

}  // namespace p2plab
