// SPDX-License-Identifier: Apache-2.0
#include "monitor/rank_log.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::monitor {

namespace {

constexpr std::ptrdiff_t most = 512;  // calls of a rank that are looked at

LoggedCall logged(const RecordedCall& call) {
  const bool over = call.device_time != 0 || call.progress == CallProgress::done || call.progress == CallProgress::failed;
  return {.sequence = call.sequence,
          .kind = std::string{kind_word(call.kind)},
          .type = std::string{type_word(call.type)},
          .op = std::string{op_word(call.op)},
          .size = fmt::format("{} elements", call.count),
          .root = call.root,
          .begun = call.begun,
          .ended = over ? std::max(call.ended, call.begun + call.device_time) : 0,
          .blocking = call.progress == CallProgress::running,
          .finished = over,
          .stream = call.stream};
}

// No host sees a graph's replays: how far the device has come with them is evidence of its own.
void add_replays(std::vector<std::string>& notes, const RecordedProcess& process, std::uint64_t now) {
  for (std::size_t s = 0; s < process.sides.size(); ++s) {
    std::uint64_t replays = 0;
    std::uint64_t last = 0;
    for (const auto& each : process.replays) {
      if (each.call.side != s) continue;
      replays += each.replays;
      last = std::max(last, each.begun);
    }
    if (replays == 0) continue;
    const auto& side = process.sides[s];
    notes.push_back(fmt::format("rank {} of {}: graphs replayed {} calls to their end, the last of which began {:.1f} s ago", side.rank,
                                name_of(side), replays, static_cast<double>(now - std::min(now, last)) * 1e-9));
  }
}

}  // namespace

std::string name_of(const RecordedSide& side) {
  constexpr std::size_t longest = 40;
  return side.name.empty() || side.name.size() > longest ? fmt::format("{:08x}", side.communicator & 0xffffffff) : side.name;
}

Logs logs_of(const std::vector<const RecordedProcess*>& processes, std::uint64_t now) {
  Logs logs;
  for (const auto* each : processes) {
    const auto& process = *each;
    const auto first = logs.ranks.size();
    for (const auto& side : process.sides) {
      logs.ranks.push_back({.communicator = side.communicator,
                            .name = name_of(side),
                            .rank = side.rank,
                            .ranks = side.ranks,
                            .where = fmt::format("process {} ({}, {})", process.pid, process.program, process.source),
                            .pid = process.pid,
                            .state = process.state,
                            .closed = side.closed != 0,
                            .now = now,
                            .begun = side.begun});
    }
    for (const auto& call : process.calls) {
      const bool pair = kind_word(call.kind) == "send" || kind_word(call.kind) == "receive";
      // Replays have numbers of their own, which no host counts.
      if (!call.recorded_inside && !call.replayed && !pair) logs.ranks[first + call.side].calls.push_back(logged(call));
    }
    for (auto log = logs.ranks.begin() + static_cast<std::ptrdiff_t>(first); log != logs.ranks.end(); ++log) {
      if (std::ssize(log->calls) > most) log->calls.erase(log->calls.begin(), log->calls.end() - most);
    }
    for (const auto& event : process.events) {
      if (event.kind == 2 || event.side < 0 || static_cast<std::size_t>(event.side) >= process.sides.size()) continue;
      auto& log = logs.ranks[first + static_cast<std::size_t>(event.side)];
      auto& texts = event.kind == 1 ? log.losses : event.kind == 3 ? log.weakenings : log.errors;
      texts.push_back(event.text);
    }
    add_replays(logs.notes, process, now);
    if (process.dropped > 0) logs.notes.push_back(fmt::format("process {}: {} calls were left out of its record", process.pid, process.dropped));
  }
  return logs;
}

}  // namespace p2plab::monitor
