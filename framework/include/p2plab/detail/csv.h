// SPDX-License-Identifier: Apache-2.0
// Text as a field of a CSV file.
#pragma once

#include <string>
#include <string_view>

namespace p2plab {

/// In double quotes, those of the text doubled (RFC 4180).
inline std::string csv_quoted(std::string_view text) {
  std::string field = "\"";
  for (const char c : text) field.append(c == '"' ? 2 : 1, c);
  return field + '"';
}

}  // namespace p2plab
