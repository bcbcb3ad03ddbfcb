// SPDX-License-Identifier: Apache-2.0
// Tables of names: text to enumerator, enumerator to text, and the error message for free.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"

namespace p2plab {

/// One row of a table of names.
template <class E>
struct Named {
  std::string_view name;
  E value;
};
template <class E>
Named(const char*, E) -> Named<E>;

/// The enumerator called `text`, or an unknown_name error that lists the table.
template <class E>
Result<E> from_name(std::string_view kind, std::string_view text, std::span<const Named<E>> table) {
  const auto found = std::ranges::find(table, text, &Named<E>::name);
  if (found != table.end()) return found->value;
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return unknown_name(std::string{kind}, std::string{text}, names);
}

/// The name of `value`; the table must hold it.
template <class E>
std::string_view to_name(E value, std::span<const Named<E>> table) {
  const auto found = std::ranges::find(table, value, &Named<E>::value);
  expects(found != table.end());
  return found->name;
}

}  // namespace p2plab
