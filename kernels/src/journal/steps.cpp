// SPDX-License-Identifier: Apache-2.0
// Steps of calls, as thread blocks noted them. What a kernel stores is in memory some time after its counter may be seen there: so only notes that
// were counted at the look before are read.
#include <algorithm>

#include "device/words.h"
#include "journal/journal.h"

namespace p2plab::capi {

namespace {

using args::StepEntry;
using args::StepHeads;

constexpr std::size_t most_served = 1U << 16;  // calls outside of graphs whose programs are remembered
constexpr int looks_kept = 3;                  // in which steps of a call that has ended may still come
constexpr int looks_waited = 40;               // for the end of a call, some blocks of which ended long before: one block may wait for another rank
constexpr std::size_t most_waiting = args::noted_steps;

constexpr Bytes size_of_notes{static_cast<std::int64_t>(args::noted_steps * sizeof(StepEntry))};

Bytes place(std::uint64_t offset) { return Bytes{static_cast<std::int64_t>(offset)}; }

}  // namespace

void Journal::served(std::uint64_t number, const SharedItems& items) {
  if (!items) return;
  const auto name = static_cast<std::uint32_t>(number) & ~of_graph;
  const std::lock_guard lock(items_mutex_);
  items_[name] = items;
  lately_.push_back(name);
  if (lately_.size() < 2 * most_served) return;
  for (std::size_t i = 0; i < most_served; ++i) items_.erase(lately_[i]);
  lately_.erase(lately_.begin(), lately_.begin() + most_served);
}

SharedItems Journal::items_of(std::uint32_t name) {
  const auto key = (name & of_graph) != 0 ? (name & (captured - 1)) | of_graph : name;
  const std::lock_guard lock(items_mutex_);
  const auto found = items_.find(key);
  return found != items_.end() ? found->second : nullptr;
}

// Blocks' parts of the ring depend on the launch, so all of it is looked through: a note says whose it is and which one.
Status Journal::read_steps() {
  if (auto done = memory_->read(place(heads_at()), Bytes{sizeof(StepHeads)}); !done) return done;
  const auto now = *reinterpret_cast<const StepHeads*>(memory_->bytes() + heads_at());
  std::uint64_t wanted = 0;
  for (std::uint32_t b = 0; b < args::most_noting_blocks; ++b) wanted += noted_.written[b] - noted_taken_.written[b];
  if (wanted > 0) {
    if (auto done = memory_->read(place(steps_at()), size_of_notes); !done) return done;
    for (std::uint32_t i = 0; i < args::noted_steps; ++i) {
      const auto& entry = *reinterpret_cast<const StepEntry*>(memory_->bytes() + steps_at() + i * sizeof(StepEntry));
      const auto block = entry.place % args::most_noting_blocks;
      const auto first = noted_taken_.written[block];
      // Serials count from 1, modulo 2^32.
      if (!entry.whole() || entry.serial - first - 1 >= noted_.written[block] - first) continue;
      if (!take(entry) && waiting_.size() < most_waiting) waiting_.push_back({entry});
      --wanted;
    }
    recorder_.lose_steps(wanted);
  }
  const auto before = waiting_.size();
  std::uint64_t taken = 0;
  std::erase_if(waiting_, [&](Waiting& each) {
    const bool there = take(each.entry);
    taken += there ? 1 : 0;
    return there || ++each.looks > looks_waited;
  });
  recorder_.lose_steps(before - waiting_.size() - taken);
  noted_taken_ = noted_;
  noted_ = now;
  for (auto& [name, call] : timed_) ++call.looks;
  std::erase_if(timed_, [](const auto& each) { return each.second.looks > looks_kept; });
  return {};
}

// In the record steps lie as if the call had begun on the device when it did for the host, as its bar does in traces. False: its call is not known.
bool Journal::take(const StepEntry& entry) {
  const auto call = timed_.find(entry.name);
  const auto items = items_of(entry.name);
  const auto block = entry.place % args::most_noting_blocks;
  const auto item = entry.place >> args::noted_item_shift;
  if (call == timed_.end() || !items || items->lanes.empty()) return false;
  const auto parts = static_cast<std::uint32_t>(items->blocks_per_lane);
  const auto lane = parts > 0 ? block / parts : 0;
  const auto& [number, call_begun, looks] = call->second;
  // Blocks begin some time before and after the first one.
  const auto after = between(call_begun, entry.begun());
  const auto host_begun = static_cast<std::int64_t>(recorder_.begun(number));
  monitor::StepInfo info{.call = number,
                         .begun = static_cast<std::uint64_t>(host_begun + after),
                         .ended = static_cast<std::uint64_t>(host_begun + after) + entry.time(),
                         .waited = device::short_time(entry.waited()),
                         .lane = static_cast<std::uint16_t>(lane),
                         .block = static_cast<std::uint16_t>(parts > 0 ? block % parts : block)};
  if (item == args::item_epilogue) {
    info.step = monitor::epilogue_step;
    recorder_.step(info);
    return true;
  }
  if (lane >= items->lanes.size() || item >= items->lanes[lane].size()) return false;
  for (const auto step : items->lanes[lane][item]) {
    info.step = step < 0 ? monitor::token_step : static_cast<std::uint32_t>(step);
    recorder_.step(info);
  }
  return true;
}

}  // namespace p2plab::capi
