// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/registry.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace p2plab {

Result<Parameters> complete_parameters(const std::string& owner, std::span<const ParameterInfo> known, const Parameters& given) {
  Parameters all;
  std::vector<std::string> names;
  for (const auto& info : known) {
    all[info.name] = info.fallback;
    names.push_back(info.name);
  }
  for (const auto& [name, value] : given) {
    if (!all.contains(name)) return unknown_name(fmt::format("parameter of {}", owner), name, names);
    all[name] = value;
  }
  return all;
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
