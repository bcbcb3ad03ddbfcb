// SPDX-License-Identifier: Apache-2.0
#include "monitor/bands.h"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "monitor/rank_log.h"
#include "p2plab/base/quantity.h"
#include "p2plab/schedule/collective.h"

namespace p2plab::monitor {

namespace {

using Key = std::tuple<std::uint64_t, std::uint8_t, std::uint8_t, std::uint64_t, std::string>;

// Of a call that several ranks recorded, the shortest time is that of the rank that came last, which waited for nobody.
struct Timed {
  std::uint64_t begun = 0;
  double time = 0;
  double busbw = 0;
};

// The same of all ranks: replays have numbers of their own, and where they are only counted, the look has one.
using Number = std::tuple<int, std::uint64_t, std::uint64_t>;

struct Gathered {
  Band band;
  std::map<Number, Timed> calls;
  std::vector<double> times;  // seconds, in order of time
  const RecordedCall* predicted = nullptr;
};

double quantile(std::vector<double> sorted, double at) {
  std::ranges::sort(sorted);
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(at * static_cast<double>(sorted.size())))];
}

void expect(Gathered& all, const BandOptions& options) {
  auto& band = all.band;
  const auto& times = all.times;
  if (all.predicted != nullptr) {
    const auto& call = *all.predicted;
    band.expectation = Expectation::predicted;
    band.expected = call.predicted;
    const bool interval = call.high.count() > 0;
    band.low = interval ? call.low : call.predicted * (1 - options.tolerance);
    band.high = interval ? call.high : call.predicted * (1 + options.tolerance);
  } else if (times.size() >= options.beginning + options.latest) {
    const std::vector<double> first(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(options.beginning));
    band.expectation = Expectation::own_past;
    band.expected = Seconds{quantile(first, 0.5)};
    band.low = Seconds{quantile(first, 0)};
    // Its slowest tenth, and room for what varies.
    band.high = Seconds{std::max(quantile(first, 0.9), band.expected.count()) * (1 + options.tolerance)};
  }
  if (band.expectation == Expectation::none || times.size() < options.latest) return;
  const std::vector<double> latest(times.end() - static_cast<std::ptrdiff_t>(options.latest), times.end());
  band.outside = quantile(latest, 0.5) > band.high.count();
}

void add(std::map<Key, Gathered>& all, const RecordedProcess& process, const RecordedCall& call, const Number& number) {
  const auto& side = process.sides[call.side];
  const auto size = call.count * static_cast<std::uint64_t>(bytes_of_type(call.type));
  const auto bytes = size == 0 ? 0 : std::bit_floor(size);
  auto way = fmt::format("{} {} {}", backend_word(call.backend), process.name_of(call.algorithm), process.name_of(call.protocol));
  way.erase(std::unique(way.begin(), way.end(), [](char a, char b) { return a == ' ' && b == ' '; }), way.end());
  auto& found = all[Key{side.communicator, call.kind, call.type, bytes, way}];
  auto& band = found.band;
  if (band.calls == 0) {
    band.communicator = name_of(side);
    band.kind = kind_word(call.kind);
    band.type = type_word(call.type);
    band.bytes = bytes;
    band.way = way;
    band.ranks = side.ranks;
  }
  band.calls += call.replays;
  if (call.replayed) band.replayed += call.replays;
  if (call.captured && !call.replayed) ++band.captured;
  if (call.predicted.count() > 0) found.predicted = &call;
  // The time of a call that nobody timed is that of one that counts already.
  const bool of_another = call.follows && call.replayed;
  if (const auto time = call.time().count(); time > 0 && !of_another) {
    auto& timed = found.calls[number];
    if (timed.time == 0 || time < timed.time)
      timed = {call.begun, time, bus_bytes(call.kind, backend_word(call.backend) == "cpu", size, side.ranks) / time};
  }
}

}  // namespace

double bus_bytes(std::uint8_t of_kind, bool of_cpus, std::uint64_t size, int ranks) {
  const auto bytes = static_cast<double>(size);
  const auto kind = collective_kind(kind_word(of_kind));
  if (!kind) return bytes;  // a send, a receive
  const bool in_parts = sharded(*kind) || *kind == CollectiveKind::all_to_all;
  return bytes * bus_factor(*kind, ranks) * (in_parts && !of_cpus ? ranks : 1);
}

std::string Band::name() const { return fmt::format("{} {} {}", kind, p2plab::to_string(Bytes{static_cast<std::int64_t>(bytes)}), type); }

std::vector<Band> bands_of(const std::vector<const RecordedProcess*>& processes, const BandOptions& options) {
  std::map<Key, Gathered> all;
  for (const auto* process : processes) {
    for (const auto& call : process->calls) {
      if (!call.recorded_inside) add(all, *process, call, {call.replayed ? 1 : 0, 0, call.sequence});
    }
    for (const auto& call : process->counted) add(all, *process, call, {2, call.number, call.sequence});
  }
  std::vector<Band> bands;
  for (auto& [key, found] : all) {
    auto& band = found.band;
    std::vector<Timed> in_order;
    for (const auto& [sequence, timed] : found.calls) in_order.push_back(timed);
    std::ranges::sort(in_order, {}, &Timed::begun);
    for (const auto& timed : in_order) found.times.push_back(timed.time);
    band.timed = found.times.size();
    if (band.timed > 0) {
      band.median = Seconds{quantile(found.times, 0.5)};
      band.p99 = Seconds{quantile(found.times, 0.99)};
      std::vector<double> rates;
      for (const auto& timed : in_order) rates.push_back(timed.busbw);
      band.busbw = quantile(std::move(rates), 0.5);
    }
    expect(found, options);
    bands.push_back(std::move(band));
  }
  return bands;
}

}  // namespace p2plab::monitor
