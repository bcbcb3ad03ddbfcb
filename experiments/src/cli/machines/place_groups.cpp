// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/place_groups.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

namespace p2plab::cli {

Result<Groups> groups_from(const std::string& text) {
  const Error bad{ErrorCode::usage, fmt::format("expected groups such as tp=4,pp=2, got '{}'", text)};
  std::map<std::string, int> numbers;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto equals = text.find('=', at);
    int value = 0;
    if (equals == std::string::npos || equals >= comma) return bad;
    const auto [end, fault] = std::from_chars(text.data() + equals + 1, text.data() + comma, value);
    if (fault != std::errc{} || end != text.data() + comma || value < 1 || value > 4096) return bad;
    if (!numbers.emplace(text.substr(at, equals - at), value).second) return bad;
    at = comma + 1;
  }
  Groups groups;
  for (const auto& [name, value] : numbers) {
    if (name == "tp") {
      groups.size = value;
    } else if (name == "pp" || name == "dp" || name == "ep" || name == "cp") {
      groups.count *= value;
    } else {
      return Error{
          ErrorCode::usage, fmt::format("unknown kind of group '{}'", name), std::nullopt, {"known: tp (inside a group), pp, dp, ep, cp (how many)"}};
    }
  }
  if (groups.size == 0) return Error{ErrorCode::usage, "groups need tp, the GPUs of one group", std::nullopt, {"as in tp=4,pp=2"}};
  return groups;
}

}  // namespace p2plab::cli
