// SPDX-License-Identifier: Apache-2.0
// The picture in JSON, for the page.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "monitor/bands.h"
#include "monitor/rank_log.h"
#include "monitor/view_words.h"
#include "monitor/views.h"

namespace p2plab::monitor {

namespace {

constexpr std::size_t latest_calls = 256;

struct Communicator {
  std::string name;
  std::size_t ranks = 0;
  std::map<std::uint64_t, std::map<int, std::uint64_t>> begun;  // by call and rank
  std::map<std::pair<int, int>, std::uint64_t> bytes;

  void add(const RecordedCall& call, int rank) {
    const auto size = call.count * static_cast<std::uint64_t>(bytes_of_type(call.type));
    const auto kind = kind_word(call.kind);
    if (kind != "send" && kind != "receive") begun[call.sequence][rank] = call.begun;
    if (kind == "send" && call.peer >= 0) bytes[{rank, call.peer}] += size;
    if (kind == "send_receive" && rank == call.root) bytes[{call.root, call.peer}] += size;
  }
};

std::map<std::uint64_t, Communicator> communicators_in(const Picture& picture) {
  std::map<std::uint64_t, Communicator> all;
  for (const auto* process : picture.processes) {
    for (const auto& side : process->sides) {
      auto& found = all[side.communicator];
      found.name = name_of(side);
      found.ranks = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(side.ranks, 1)), 1, 64);
    }
    for (auto i = process->calls.size() > latest_calls ? process->calls.size() - latest_calls : 0; i < process->calls.size(); ++i) {
      const auto& call = process->calls[i];
      if (call.recorded_inside || call.replayed) continue;
      const auto& side = process->sides[call.side];
      all[side.communicator].add(call, side.rank);
    }
  }
  return all;
}

// How much later than the first rank each begins: the median of the latest calls that all have begun.
Json lateness_of(const Communicator& communicator) {
  std::vector<std::vector<double>> late(communicator.ranks);
  for (const auto& [sequence, begun] : communicator.begun) {
    if (begun.size() < communicator.ranks) continue;
    const auto first = std::ranges::min_element(begun, {}, [](const auto& one) { return one.second; })->second;
    for (const auto& [rank, when] : begun) {
      if (rank >= 0 && static_cast<std::size_t>(rank) < communicator.ranks) late[static_cast<std::size_t>(rank)].push_back(us(when - first));
    }
  }
  Json medians = Json::array();
  for (auto& times : late) {
    std::ranges::sort(times);
    medians.push_back(times.empty() ? Json(nullptr) : Json(times[times.size() / 2]));
  }
  return medians;
}

// What pairs sent each other, row by sender.
Json pairs_of(const Communicator& communicator) {
  Json pairs = Json::array();
  for (std::size_t from = 0; !communicator.bytes.empty() && from < communicator.ranks; ++from) {
    Json row = Json::array();
    for (std::size_t to = 0; to < communicator.ranks; ++to) {
      const auto found = communicator.bytes.find({static_cast<int>(from), static_cast<int>(to)});
      row.push_back(found == communicator.bytes.end() ? 0 : found->second);
    }
    pairs.push_back(row);
  }
  return pairs;
}

Json communicators_of(const Picture& picture) {
  Json json = Json::array();
  for (const auto& [number, each] : communicators_in(picture))
    json.push_back({{"name", each.name}, {"late_us", lateness_of(each)}, {"pairs", pairs_of(each)}});
  return json;
}

}  // namespace

namespace {

// A block may begin before the first one, which is the call's begin.
Json step_of(const RecordedCall& call, const RecordedStep& step) {
  const bool before = step.begun < call.begun;
  return {{"step", step_json(step.step)},
          {"lane", step.lane},
          {"block", step.block},
          {"from_us", before ? -us(call.begun - step.begun) : us(step.begun - call.begun)},
          {"us", us(step.ended - step.begun)},
          {"waited_us", us(step.waited)}};
}

}  // namespace

std::string step_lines(const RecordedProcess& process) {
  std::unordered_map<std::uint64_t, const RecordedCall*> calls;
  for (const auto& call : process.calls) calls[call.number] = &call;
  std::string lines;
  for (const auto& step : process.steps) {
    const auto found = calls.find(step.call);
    if (found == calls.end() || step.ended < step.begun) continue;
    const auto& call = *found->second;
    const auto& side = process.sides[call.side];
    Json json{
        {"event", "step"}, {"communicator", hex(side.communicator)}, {"rank", side.rank}, {"sequence", call.sequence}, {"replay", call.replayed}};
    json.update(step_of(call, step));
    lines += dumped(json) + "\n";
  }
  return lines;
}

std::string steps_json(const RecordedProcess& process, const AskedCall& asked) {
  Json json = Json::array();
  for (const auto& call : process.calls) {
    const auto& side = process.sides[call.side];
    if (call.replayed != asked.replayed || hex(side.communicator) != asked.communicator || std::to_string(side.rank) != asked.rank ||
        std::to_string(call.sequence) != asked.sequence)
      continue;
    for (const auto& step : process.steps) {
      if (step.call == call.number && step.ended >= step.begun) json.push_back(step_of(call, step));
    }
  }
  return dumped(json);
}

namespace {

// What a rank's calls moved, replays among them, and what of that went over its links (nccl-tests' bus bytes).
struct Moved {
  std::uint64_t calls = 0;
  double bytes = 0;
  double bus = 0;
};

Moved moved_by(const RecordedProcess& process, std::size_t which) {
  const auto& side = process.sides[which];
  Moved moved{.calls = side.begun};
  const auto add = [&](std::uint8_t kind, std::uint64_t bytes) {
    moved.bytes += static_cast<double>(bytes);
    moved.bus += bus_bytes(kind, process.source == "host", bytes, std::max(side.ranks, 1));
  };
  for (std::size_t kind = 0; kind < side.bytes.size(); ++kind) add(static_cast<std::uint8_t>(kind), side.bytes[kind]);
  for (const auto& each : process.replays) {
    if (each.call.side != which) continue;
    moved.calls += each.replays;
    add(each.call.kind, each.replays * each.call.count * static_cast<std::uint64_t>(bytes_of_type(each.call.type)));
  }
  return moved;
}

}  // namespace

std::string picture_json(const Picture& picture) {
  Json json{{"now_ns", picture.now}, {"lost", picture.lost}, {"processes", Json::array()}, {"bands", Json::array()}, {"alarms", Json::array()}};
  for (const auto* process : picture.processes) {
    Json sides = Json::array();
    for (std::size_t which = 0; which < process->sides.size(); ++which) {
      const auto& side = process->sides[which];
      const auto moved = moved_by(*process, which);
      sides.push_back({{"communicator", hex(side.communicator)},
                       {"name", side.name},
                       {"rank", side.rank},
                       {"ranks", side.ranks},
                       {"device", side.device},
                       {"gpu", side.place},
                       {"begun", side.begun},
                       {"ended", side.ended},
                       {"calls", moved.calls},
                       {"bytes", moved.bytes},
                       {"bus_bytes", moved.bus},
                       {"left", side.closed != 0}});
    }
    json["processes"].push_back({{"pid", process->pid},
                                 {"program", process->program},
                                 {"source", process->source},
                                 {"state", state_words[static_cast<std::size_t>(process->state)]},
                                 {"level", process->level},
                                 {"calls", process->next},
                                 {"dropped", process->dropped},
                                 {"replays", replays_of(*process)},
                                 {"captures_not_counted", process->not_counted},
                                 {"ranks", sides}});
  }
  for (const auto& band : picture.bands) {
    const bool held = band.expectation != Expectation::none;
    json["bands"].push_back({{"communicator", band.communicator},
                             {"operation", band.kind},
                             {"bytes", band.bytes},
                             {"type", band.type},
                             {"way", band.way},
                             {"calls", band.calls},
                             {"timed", band.timed},
                             {"graph", band.captured},
                             {"replayed", band.replayed},
                             {"median_us", or_null(band.timed > 0, us(band.median))},
                             {"p99_us", or_null(band.timed > 0, us(band.p99))},
                             {"busbw_GBps", or_null(band.timed > 0, band.busbw * 1e-9)},
                             {"expectation", expectation_word(band.expectation)},
                             {"low_us", or_null(held, us(band.low))},
                             {"high_us", or_null(held, us(band.high))},
                             {"outside", band.outside}});
  }
  for (const auto& alarm : picture.alarms) json["alarms"].push_back(json_of(alarm));
  json["communicators"] = communicators_of(picture);
  return dumped(json);
}

}  // namespace p2plab::monitor
