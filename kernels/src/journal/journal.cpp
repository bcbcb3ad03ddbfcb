// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.h"

#include <algorithm>
#include <optional>

#include "device/words.h"

namespace p2plab::capi {

namespace {

using args::JournalEntry;
using args::JournalRing;

constexpr int most_looks = 20;  // at an entry behind which others have begun and that is not there

constexpr std::uint32_t in_flight = Journal::entries / 16;  // that may be written while entries are read

Bytes bytes(std::uint64_t count) { return Bytes{static_cast<std::int64_t>(count)}; }

}  // namespace

Journal::Journal(monitor::Recorder& recorder, int side, std::unique_ptr<JournalMemory> memory, bool each)
    : recorder_(recorder), side_(side), memory_(std::move(memory)), each_(each), captured_(captured), taken_(entries) {}

CallJournal Journal::of_call(std::uint64_t number) {
  latest_.store(number, std::memory_order_relaxed);
  return {.ring = memory_->address(), .name = static_cast<std::uint32_t>(number) & ~of_graph, .mask = entries - 1};
}

void Journal::read() {
  ask_clock();
  Status done;
  if (has_ring()) done = read_entries();
  if (done && recorder_.level() == monitor::Level::steps) done = read_steps();
  if (done) done = read_counts();
  if (done) done = free_places();
  if (done) return;
  if (failures_++ > 0) return;
  const auto text = "replays are no longer counted: " + done.error().message;
  recorder_.event(monitor::EventKind::error, side_, text.c_str());
}

// A GPU's clock runs beside the host's and not at its pace: it is asked once a second.
void Journal::ask_clock() {
  constexpr int looks_between = 10;
  if (looks_++ % looks_between != 0) return;
  const auto seen = memory_->clock();
  if (!seen) return;
  clocks_ = static_cast<std::int64_t>((seen->before + seen->after) / 2 - extended(seen->device % args::span_times));
  clocks_known_ = seen->after;
  clocks_asked_ = true;
}

// What ended before now cannot have ended later: where the GPU cannot be asked the nearest such bound of the last ten seconds serves.
std::uint64_t Journal::by_host_clock(std::uint64_t device_time, std::uint64_t duration) {
  constexpr std::uint64_t kept = 10'000'000'000;
  const auto now = monitor::now();
  const auto bound = static_cast<std::int64_t>(now) - static_cast<std::int64_t>(device_time + duration);
  if (clocks_known_ == 0 || bound < clocks_ || (!clocks_asked_ && now - clocks_known_ > kept)) {
    clocks_ = bound;
    clocks_known_ = now;
  }
  return device_time + static_cast<std::uint64_t>(clocks_);
}

// With the clock's upper bits, which no note has: it is less than a day from those seen before.
std::uint64_t Journal::extended(std::uint64_t device_time) {
  if (device_seen_ != 0) device_time = device_seen_ + static_cast<std::uint64_t>(between(device_seen_, device_time));
  device_seen_ = std::max(device_seen_, device_time);
  return device_time;
}

// Entries up to the counter as it was before; what may be overwritten while it is read is left out and counted.
Status Journal::read_entries() {
  if (auto done = memory_->read(Bytes{0}, Bytes{sizeof(JournalRing)}); !done) return done;
  const auto end = at<JournalRing>(0).next;
  if (end - next_ > entries - in_flight) {
    const auto lost = end - next_ - (entries - in_flight);
    recorder_.lose_replays(lost);
    next_ += lost;
    stuck_ = 0;
  }
  const auto first = next_ % entries;
  const auto wanted = end - next_;
  const auto whole = std::min(wanted, entries - first);
  if (whole == 0) return {};
  if (auto done = memory_->read(bytes(entries_at() + first * sizeof(JournalEntry)), bytes(whole * sizeof(JournalEntry))); !done) return done;
  if (whole < wanted) {
    if (auto done = memory_->read(bytes(entries_at()), bytes((wanted - whole) * sizeof(JournalEntry))); !done) return done;
  }
  const auto entry_at = [&](std::uint32_t which) -> const JournalEntry& {
    return at<JournalEntry>(entries_at() + which % entries * sizeof(JournalEntry));
  };
  // What ended last bounds the clocks best: it is asked first.
  for (const auto which : {end - 2, end - 1}) {
    const auto& entry = entry_at(which);
    if (which - next_ < wanted && args::begun_of(entry.span) != taken_[which % entries])
      by_host_clock(extended(args::begun_of(entry.span)), args::time_of(entry.span));
  }
  for (; next_ != end; ++next_) {
    const auto& entry = entry_at(next_);
    auto& taken = taken_[next_ % entries];
    // The last call may be under way; of those before it what was written may be on its way.
    const auto begun = args::begun_of(entry.span);
    const bool there = begun != taken && (!latest_begun_ || between(*latest_begun_, begun) >= 0);
    if (!there && (next_ + 1 == end || ++stuck_ < most_looks)) return {};
    there ? take(entry) : recorder_.lose_replays(1);
    if (there) latest_begun_ = begun;
    taken = begun;
    stuck_ = 0;
  }
  return {};
}

void Journal::take(const JournalEntry& entry) {
  const auto begun = extended(args::begun_of(entry.span));
  const auto time = std::max<std::uint64_t>(args::time_of(entry.span), 1);
  const bool in_graph = (entry.name & of_graph) != 0;
  auto number = in_graph ? 0 : number_of(entry.name);
  if (in_graph) {
    const auto which = entry.name & (captured - 1);
    const std::lock_guard lock(places_);
    if (which < used_) number = recorder_.replayed(captured_[which].recorded, by_host_clock(begun, time), time);
  } else {
    recorder_.device_begin(number, begun);
    recorder_.device_end(number, begun + time);
  }
  if (recorder_.level() == monitor::Level::steps && number != 0) timed_[entry.name] = {number, begun};
}

// The newest record's number with these low bits.
std::uint64_t Journal::number_of(std::uint32_t name) const {
  const auto latest = latest_.load(std::memory_order_relaxed);
  const auto number = (latest & ~std::uint64_t{~of_graph}) | name;
  return number > latest ? number - std::uint64_t{of_graph} : number;
}

}  // namespace p2plab::capi
