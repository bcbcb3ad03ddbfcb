// SPDX-License-Identifier: Apache-2.0
// What a figure rests on, as JSON: each number with the figure at its ends, and what is assumed without a range.
#pragma once

#include <nlohmann/json.hpp>

#include "p2plab/machine/assumptions.h"
#include "report/json_number.h"

namespace p2plab {

/// `figure`: the key of the two numbers, as in "predicted_us".
inline nlohmann::ordered_json rests_on_json(const AssumedRange& range, const char* figure) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& [value, low, high] : range.on)
    list.push_back({{"what", value.what},
                    {"value", value.value},
                    {"origin", to_string(value.origin)},
                    {"key", value.key},
                    {"least_gbps", number(value.least.gbps())},
                    {"most_gbps", number(value.most.gbps())},
                    {figure, {number(low), number(high)}}});
  return list;
}

inline nlohmann::ordered_json also_assumed_json(const AssumedRange& range) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& value : range.also) list.push_back({{"what", value.what}, {"value", value.value}, {"key", value.key}});
  return list;
}

}  // namespace p2plab
