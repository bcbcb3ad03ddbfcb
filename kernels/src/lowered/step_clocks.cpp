// SPDX-License-Identifier: Apache-2.0
#include "lowered/step_clocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

namespace p2plab {

namespace {

using Item = Arrival::Item;
using Senders = std::multimap<std::uint64_t, Item>;  // by address

// What a block noted of one item of a call, by the rank's own clock.
struct Note {
  std::int32_t block = 0;
  std::uint32_t item = 0;
  std::int64_t begun = 0;
  std::int64_t ready = 0;
  std::int64_t ended = 0;
};
using Calls = std::map<std::uint32_t, std::vector<Note>>;  // by name; notes by block, in order

// Names rise from call to call, and begin anew where a graph is replayed: only the last of each are taken.
Calls calls_of(const RankNotes& rank) {
  std::map<std::uint32_t, std::vector<args::StepEntry>> blocks;
  for (const auto& entry : rank.notes) {
    if (entry.serial != 0 && entry.whole()) blocks[entry.place % args::most_noting_blocks].push_back(entry);
  }
  Calls calls;
  for (auto& [block, entries] : blocks) {
    std::ranges::sort(entries, std::greater<>{}, &args::StepEntry::serial);
    auto last = std::numeric_limits<std::uint32_t>::max();
    for (const auto& entry : entries) {
      if (entry.name > last) break;
      last = entry.name;
      const auto begun = static_cast<std::int64_t>(entry.begun());
      calls[entry.name].push_back({.block = static_cast<std::int32_t>(block),
                                   .item = entry.place >> args::noted_item_shift,
                                   .begun = begun,
                                   .ready = begun + static_cast<std::int64_t>(entry.waited()),
                                   .ended = begun + static_cast<std::int64_t>(entry.time())});
    }
  }
  for (auto& [name, notes] : calls) std::ranges::stable_sort(notes, {}, [](const Note& note) { return std::pair{note.block, note.begun}; });
  return calls;
}

std::int32_t lane_of(const NotedItems& items, std::int32_t block) { return items.blocks_per_lane > 0 ? block / items.blocks_per_lane : 0; }
std::int32_t part_of(const NotedItems& items, std::int32_t block) { return items.blocks_per_lane > 0 ? block % items.blocks_per_lane : block; }

// When each part was ready for an item of a lane, time after time.
using Ready = std::map<std::tuple<std::int32_t, std::uint32_t, std::int32_t>, std::vector<std::int64_t>>;  // by lane, item, part
Ready ready_of(const NotedItems& items, const std::vector<Note>& notes) {
  Ready ready;
  for (const auto& note : notes) ready[{lane_of(items, note.block), note.item, part_of(items, note.block)}].push_back(note.ready);
  return ready;
}

// The least that one clock must be put on, relative to another, so that nothing is ready before its sender was ready to send it.
using Bounds = std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t>;  // from rank, to rank
Bounds bounds_of(const std::vector<RankNotes>& ranks, const std::vector<Calls>& calls, const std::vector<Arrival>& arrivals) {
  Bounds bounds;
  for (const auto& [name, first] : calls.front()) {
    std::vector<Ready> ready;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      const auto found = calls[r].find(name);
      ready.push_back(found != calls[r].end() ? ready_of(ranks[r].items, found->second) : Ready{});
    }
    for (const auto& [from, to] : arrivals) {
      const auto& sent = ready[static_cast<std::size_t>(from.rank)];
      for (const auto& [place, times] : ready[static_cast<std::size_t>(to.rank)]) {
        const auto& [lane, item, part] = place;
        if (lane != to.lane || item != to.item) continue;
        const auto sender = sent.find({from.lane, from.item, part});
        if (sender == sent.end()) continue;
        auto& bound = bounds.try_emplace({from.rank, to.rank}, std::numeric_limits<std::int64_t>::min()).first->second;
        for (std::size_t i = 0; i < std::min(times.size(), sender->second.size()); ++i) bound = std::max(bound, sender->second[i] - times[i]);
      }
    }
  }
  return bounds;
}

// What is added to each rank's clock, from rank 0 on; ranks that nothing joins with it stay as they are.
struct Clocks {
  std::vector<std::int64_t> added;
  std::int64_t apart = 0;
};
Clocks set_clocks(const std::vector<RankNotes>& ranks, const Bounds& bounds) {
  std::vector<std::optional<std::int64_t>> known(ranks.size());
  std::int64_t apart = 0;
  known.front() = 0;
  for (std::size_t round = 0; round < ranks.size(); ++round) {
    for (std::size_t a = 0; a < ranks.size(); ++a) {
      for (std::size_t b = 0; known[a] && b < ranks.size(); ++b) {
        if (known[b]) continue;
        const auto here = static_cast<std::int32_t>(a);
        const auto there = static_cast<std::int32_t>(b);
        const auto least = bounds.find({here, there});
        const auto most = bounds.find({there, here});
        if (ranks[a].clock == ranks[b].clock) {
          known[b] = known[a];
        } else if (least != bounds.end() && most != bounds.end()) {
          known[b] = *known[a] + (least->second - most->second) / 2;
          apart = std::max(apart, (-most->second - least->second + 1) / 2);
        } else if (least != bounds.end()) {
          known[b] = *known[a] + least->second;
        } else if (most != bounds.end()) {
          known[b] = *known[a] - most->second;
        }
      }
    }
  }
  Clocks clocks{.added = {}, .apart = apart};
  for (const auto& each : known) clocks.added.push_back(each.value_or(0));
  return clocks;
}

struct Span {
  std::int64_t begun = std::numeric_limits<std::int64_t>::max();
  std::int64_t ended = std::numeric_limits<std::int64_t>::min();
};
Span span_of(const std::vector<Calls>& calls, const Clocks& clocks, std::uint32_t name) {
  Span span;
  for (std::size_t r = 0; r < calls.size(); ++r) {
    for (const auto& note : calls[r].at(name)) {
      span.begun = std::min(span.begun, note.begun + clocks.added[r]);
      span.ended = std::max(span.ended, note.ended + clocks.added[r]);
    }
  }
  return span;
}

std::vector<MeasuredStep> steps_of(const std::vector<RankNotes>& ranks, const std::vector<Calls>& calls, const Clocks& clocks, std::uint32_t name) {
  constexpr double ns = 1e-9;
  const auto begun = span_of(calls, clocks, name).begun;
  std::vector<MeasuredStep> steps;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    const auto& items = ranks[r].items;
    for (const auto& note : calls[r].at(name)) {
      const auto lane = lane_of(items, note.block);
      if (static_cast<std::size_t>(lane) >= items.lanes.size() || note.item >= items.lanes[static_cast<std::size_t>(lane)].size()) continue;
      const auto since = [&](std::int64_t when) { return Seconds{static_cast<double>(when + clocks.added[r] - begun) * ns}; };
      for (const auto step : items.lanes[static_cast<std::size_t>(lane)][note.item]) {
        steps.push_back({.rank = static_cast<std::int32_t>(r),
                         .lane = lane,
                         .block = part_of(items, note.block),
                         .step = step,
                         .begun = since(note.begun),
                         .ready = since(note.ready),
                         .ended = since(note.ended)});
      }
    }
  }
  std::ranges::stable_sort(steps, {}, &MeasuredStep::begun);
  return steps;
}

void add_arrivals(std::vector<Arrival>& arrivals, const Senders& senders, std::uint64_t address, const Item& to) {
  const auto [begin, end] = senders.equal_range(address);
  for (auto each = begin; each != end; ++each) arrivals.push_back({each->second, to});
}

// Waves of all ranks, with the item that each belongs to.
template <class Visit>
void each_wave(std::span<const LinkedPackets> all, const Visit& visit) {
  for (std::size_t r = 0; r < all.size(); ++r) {
    for (std::size_t c = 0; c < all[r].columns.size(); ++c) {
      const auto& column = all[r].columns[c];
      Item item{.rank = static_cast<std::int32_t>(r), .lane = static_cast<std::int32_t>(c)};
      for (std::uint32_t w = 0; w < column.waves; ++w) {
        const auto& wave = all[r].waves[column.wave + w];
        if ((wave.flags & args::wave_adds) == 0 || (wave.flags & args::wave_begins) != 0) item.item = w;
        visit(all[r], column, wave, item);
      }
    }
  }
}

}  // namespace

std::vector<Arrival> arrivals_of(std::span<const LinkedPackets> all) {
  Senders senders;
  each_wave(all, [&](const LinkedPackets& linked, const args::ColumnTables& column, const args::PacketWave& wave, const Item& item) {
    for (auto s = column.store + wave.store; s < column.store + wave.store + wave.stores; ++s) {
      if ((linked.stores[s] & args::store_lands) != 0) senders.emplace(linked.stores[s] & args::store_address, item);
    }
  });
  std::vector<Arrival> arrivals;
  each_wave(all, [&](const LinkedPackets& linked, const args::ColumnTables& column, const args::PacketWave& wave, const Item& item) {
    for (std::uint32_t k = 0; k < wave.count; ++k) {
      if ((wave.lands >> k & 1) != 0) add_arrivals(arrivals, senders, linked.sources[column.source + wave.first + k].address, item);
    }
  });
  return arrivals;
}

std::vector<Arrival> arrivals_of(std::span<const LinkedSlices> all) {
  Senders senders;
  const auto each_item = [&](const auto& visit) {
    for (std::size_t r = 0; r < all.size(); ++r) {
      for (std::size_t l = 0; l < all[r].lanes.size(); ++l) {
        const auto& lane = all[r].lanes[l];
        for (std::uint32_t i = 0; i < lane.count; ++i)
          visit(all[r], all[r].instructions[lane.first + i], Item{static_cast<std::int32_t>(r), static_cast<std::int32_t>(l), i});
      }
    }
  };
  each_item([&](const LinkedSlices& linked, const args::SliceInstruction& instruction, const Item& item) {
    for (std::uint32_t s = 0; s < instruction.signal_count; ++s) senders.emplace(linked.addresses[instruction.signals + s], item);
  });
  // A flag serves a whole lane: which of its instructions is waited for its value says.
  std::vector<Arrival> arrivals;
  each_item([&](const LinkedSlices& linked, const args::SliceInstruction& instruction, const Item& item) {
    for (std::uint32_t w = 0; w < instruction.wait_count; ++w) {
      const auto& wait = linked.waits[instruction.waits + w];
      const auto [begin, end] = senders.equal_range(wait.flag);
      for (auto each = begin; each != end; ++each) {
        const auto& from = all[static_cast<std::size_t>(each->second.rank)];
        const auto& sender = from.instructions[from.lanes[static_cast<std::size_t>(each->second.lane)].first + each->second.item];
        if (sender.first_value == wait.first_value) arrivals.push_back({each->second, item});
      }
    }
  });
  return arrivals;
}

Result<MiddleCall> middle_call(const std::vector<RankNotes>& ranks, const std::vector<Arrival>& arrivals) {
  std::vector<Calls> calls;
  for (const auto& rank : ranks) calls.push_back(calls_of(rank));
  const auto clocks = set_clocks(ranks, bounds_of(ranks, calls, arrivals));
  std::vector<std::uint32_t> whole;
  for (const auto& call : calls.front()) {
    const auto name = call.first;
    if (std::ranges::all_of(calls, [&](const Calls& each) { return each.contains(name); })) whole.push_back(name);
  }
  constexpr std::size_t warming = 2;
  if (whole.size() > warming + 1) whole = {whole.begin() + warming, whole.end() - 1};
  if (whole.empty()) return Error{ErrorCode::unsupported, "no call was noted by all ranks"};
  const auto length = [&](std::uint32_t name) {
    const auto span = span_of(calls, clocks, name);
    return span.ended - span.begun;
  };
  std::ranges::stable_sort(whole, {}, length);
  constexpr double ns = 1e-9;
  return MiddleCall{steps_of(ranks, calls, clocks, whole[whole.size() / 2]), Seconds{static_cast<double>(clocks.apart) * ns}};
}

}  // namespace p2plab
