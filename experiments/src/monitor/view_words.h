// SPDX-License-Identifier: Apache-2.0
// Words and numbers that several views write alike.
#pragma once

#include <array>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "monitor/alarms.h"
#include "monitor/bands.h"

namespace p2plab::monitor {

using Json = nlohmann::ordered_json;

inline std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

inline double us(Seconds time) { return time.count() * 1e6; }
inline double us(std::uint64_t ns) { return static_cast<double>(ns) * 1e-3; }

inline Json or_null(bool known, const Json& value) { return known ? value : Json(nullptr); }

inline Json json_of(const Alarm& alarm) {
  return {{"kind", alarm.kind},
          {"communicator", alarm.communicator},
          {"rank", or_null(alarm.rank >= 0, alarm.rank)},
          {"text", alarm.text},
          {"since_ns", alarm.since}};
}

inline constexpr std::array progress_words{"running", "done", "failed", "queued"};
inline constexpr std::array state_words{"running", "stopped", "gone", "ended"};

inline const char* expectation_word(Expectation expectation) {
  return expectation == Expectation::predicted ? "predicted" : expectation == Expectation::own_past ? "own past" : "none";
}

/// Who says how long a call took: the device, the host, or the device of another call of its graph that is alike.
inline std::string_view measured_by(const RecordedCall& call) {
  if (call.device_time == 0) return call.time().count() > 0 ? "host" : "nothing";
  return call.follows && call.replayed ? "alike" : "device";
}

inline std::uint64_t replays_of(const RecordedProcess& process) {
  std::uint64_t all = 0;
  for (const auto& each : process.replays) all += each.replays;
  return all;
}

/// Its number in the schedule, else a word.
inline Json step_json(std::uint32_t step) {
  const auto word = step_word(step);
  return word.front() >= '0' && word.front() <= '9' ? Json(step) : Json(word);
}

inline std::string hex(std::uint64_t number) { return fmt::format("{:016x}", number); }

}  // namespace p2plab::monitor
