// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/registry.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace p2plab {

namespace {

// That of this name, or of this former name; null if there is none.
const ParameterInfo* named(std::span<const ParameterInfo> known, const std::string& name) {
  const auto found =
      std::ranges::find_if(known, [&](const ParameterInfo& info) { return info.name == name || (!name.empty() && info.former == name); });
  return found != known.end() ? &*found : nullptr;
}

}  // namespace

Result<Parameters> complete_parameters(const std::string& owner, std::span<const ParameterInfo> known, const Parameters& given) {
  Parameters all;
  std::vector<std::string> names;
  for (const auto& info : known) {
    all[info.name] = info.fallback;
    names.push_back(info.name);
  }
  for (const auto& [name, value] : given) {
    const auto* info = named(known, name);
    if (info == nullptr) return unknown_name(fmt::format("parameter of {}", owner), name, names);
    if (info->name == name || !given.contains(info->name)) all[info->name] = value;
  }
  return all;
}

std::vector<std::string> warnings_of(const std::string& owner, std::span<const ParameterInfo> known, const Parameters& given) {
  std::vector<std::string> warnings;
  for (const auto& [name, value] : given) {
    const auto* info = named(known, name);
    if (info == nullptr || info->name == name) continue;
    warnings.push_back(fmt::format("parameter '{}' of {} is called '{}' now; version 0.3 will not read the old word", name, owner, info->name));
  }
  return warnings;
}

Result<std::int64_t> integer_parameter(const Parameters& parameters, const std::string& name, std::int64_t least, std::int64_t most) {
  const auto& text = parameters.at(name);
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return Error{ErrorCode::invalid_input, fmt::format("parameter {} must be a whole number from {} to {}, got '{}'", name, least, most, text)};
  }
  return value;
}

Result<std::string> word_parameter(const Parameters& parameters, const std::string& name, std::span<const std::string> choices) {
  const auto& text = parameters.at(name);
  if (std::ranges::find(choices, text) != choices.end()) return text;
  return unknown_name(fmt::format("value of parameter {}", name), text, {choices.begin(), choices.end()});
}

}  // namespace p2plab
