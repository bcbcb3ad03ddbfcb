// SPDX-License-Identifier: Apache-2.0
// Bounds that count latency, for JSON.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "p2plab/simulator/collective_floor.h"

namespace p2plab {

/// By kind of program: microseconds and the proof.
inline nlohmann::ordered_json floors_json(const std::vector<KindFloor>& floors) {
  auto json = nlohmann::ordered_json::object();
  for (const auto& floor : floors) json[std::string{to_string(floor.kind)}] = {{"us", floor.time.count() * 1e6}, {"because", floor.because}};
  return json;
}

}  // namespace p2plab
