// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>

#include "sources/infragraph/infragraph.h"

namespace p2plab {

std::optional<std::vector<std::int64_t>> slice_of(const std::string& element, std::int64_t count) {
  std::array<std::int64_t, 3> slice{0, count, 1};
  if (const auto open = element.find('['); open != std::string::npos) {
    const auto close = element.find(']', open);
    if (close != element.size() - 1) return std::nullopt;
    const auto inside = element.substr(open + 1, close - open - 1);
    const bool one = inside.find(':') == std::string::npos;
    if (one && inside.empty()) return std::nullopt;
    std::size_t part = 0;
    for (std::size_t at = 0; at <= inside.size(); ++part) {
      const auto end = std::min(inside.find(':', at), inside.size());
      if (part == slice.size()) return std::nullopt;
      const auto [stop, fault] = std::from_chars(inside.data() + at, inside.data() + end, slice[part]);
      if (end > at && (fault != std::errc{} || stop != inside.data() + end)) return std::nullopt;
      at = end + 1;
    }
    if (slice[0] < 0 || slice[0] > count || (one && slice[0] == count) || slice[1] > count || slice[2] <= 0) return std::nullopt;
    if (one) slice[1] = slice[0] + 1;
    slice[2] = std::min(slice[2], count + 1);
  }
  std::vector<std::int64_t> all;
  for (auto i = slice[0]; i < slice[1]; i += slice[2]) all.push_back(i);
  return all;
}

ConfigValue infrastructure_of(const ConfigValue& root) {
  if (!root.is_map()) return root;
  const auto answer = root["infragraph"].present() ? root["infragraph"] : root;
  return answer["infrastructure"].present() ? answer["infrastructure"] : root;
}

bool is_infragraph(const ConfigValue& root) {
  const auto inner = infrastructure_of(root);
  return inner.is_map() && inner["devices"].present() && inner["instances"].present() && !inner["nodes"].present();
}

}  // namespace p2plab
