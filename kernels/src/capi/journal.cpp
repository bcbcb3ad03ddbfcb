// SPDX-License-Identifier: Apache-2.0
#include "capi/journal.h"

#include <algorithm>

namespace p2plab::capi {

namespace {

using image::CallCounts;
using image::JournalEntry;
using image::JournalRing;

constexpr int most_looks = 20;  // at an entry that was counted and is not there

constexpr std::uint32_t in_flight = Journal::entries / 16;  // that may be written while entries are read

Bytes bytes(std::uint64_t count) { return Bytes{static_cast<std::int64_t>(count)}; }

}  // namespace

Journal::Journal(monitor::Recorder& recorder, int side, std::unique_ptr<JournalMemory> memory)
    : recorder_(recorder), side_(side), memory_(std::move(memory)), captured_(captured), taken_(entries) {}

template <class T>
const T& Journal::at(std::uint64_t offset) const {
  return *reinterpret_cast<const T*>(memory_->bytes() + offset);
}

CallJournal Journal::of_call(std::uint64_t number) {
  latest_.store(number, std::memory_order_relaxed);
  return {.ring = memory_->address(), .name = static_cast<std::uint32_t>(number) & ~of_graph, .mask = entries - 1};
}

// Those that nobody had first, so that what is known of graphs that are gone stays as long as there is room.
CallJournal Journal::of_captured() {
  const std::lock_guard lock(places_);
  offered_ = used_ < captured ? used_ : free_.empty() ? captured : free_.back();
  const auto next = offered_;
  if (next == captured) return {};
  CallJournal journal{.counts = memory_->address() + counts_at() + next * sizeof(CallCounts), .name = next | of_graph};
  if (has_ring()) {
    journal.ring = memory_->address();
    journal.mask = entries - 1;
  }
  return journal;
}

void Journal::keep(std::uint64_t number, std::uint64_t capture, const monitor::CallInfo& info, const SharedItems& items) {
  const std::lock_guard lock(places_);
  if (offered_ == captured) return recorder_.refuse_captured();
  put(capture, recorder_.add_captured(number, capture, info), items);
}

void Journal::give_up(std::uint64_t capture) {
  const std::lock_guard lock(places_);
  if (offered_ != captured) put(capture, -1, nullptr);
}

// Others may have become free since it was offered.
void Journal::put(std::uint64_t capture, int recorded, const SharedItems& items) {
  const auto next = std::exchange(offered_, captured);
  captured_[next] = {.recorded = recorded, .capture = capture};
  if (next == used_)
    ++used_;
  else
    std::erase(free_, next);
  if (!items) return;
  const std::lock_guard lock(items_mutex_);
  items_[next | of_graph] = items;
}

// Of graphs that are gone for a while: what their kernels wrote was read.
Status Journal::free_places() {
  constexpr int looks_kept = 50;
  for (const auto capture : gone_->take()) leaving_.push_back({capture});
  std::vector<std::uint64_t> over;
  std::erase_if(leaving_, [&](Leaving& each) {
    if (++each.looks <= looks_kept) return false;
    over.push_back(each.capture);
    return true;
  });
  if (over.empty()) return {};
  const std::lock_guard lock(places_);
  for (std::uint32_t i = 0; i < used_; ++i) {
    auto& its = captured_[i];
    if (its.capture == 0 || std::ranges::find(over, its.capture) == over.end()) continue;
    if (auto done = memory_->clear(bytes(counts_at() + i * sizeof(CallCounts)), bytes(sizeof(CallCounts))); !done) return done;
    recorder_.release_captured(its.recorded);
    its = {};
    free_.push_back(i);
    const std::lock_guard items(items_mutex_);
    items_.erase(i | of_graph);
  }
  return {};
}

void Journal::read() {
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

// A GPU's clock runs beside the host's and not at its pace: what ended before now cannot have ended later. The nearest such bound of the last ten
// seconds serves.
std::uint64_t Journal::by_host_clock(std::uint64_t device_time, std::uint64_t duration) {
  constexpr std::uint64_t kept = 10'000'000'000;
  const auto now = monitor::now();
  const auto bound = static_cast<std::int64_t>(now) - static_cast<std::int64_t>(device_time + duration);
  if (clocks_known_ == 0 || bound < clocks_ || now - clocks_known_ > kept) {
    clocks_ = bound;
    clocks_known_ = now;
  }
  return device_time + static_cast<std::uint64_t>(clocks_);
}

Status Journal::read_counts() {
  std::uint32_t used = 0;
  {
    const std::lock_guard lock(places_);
    used = used_;
  }
  if (used == 0) return {};
  if (auto done = memory_->read(bytes(counts_at()), bytes(used * sizeof(CallCounts))); !done) return done;
  const std::lock_guard lock(places_);
  for (std::uint32_t i = 0; i < used; ++i) {
    auto& known = captured_[i];
    const auto& counts = at<CallCounts>(counts_at() + i * sizeof(CallCounts));
    if (counts.count == known.seen.count) continue;
    known.replays += counts.count - known.seen.count;
    known.sum += counts.sum - known.seen.sum;
    known.seen = counts;
    recorder_.replays(known.recorded, {.replays = known.replays,
                                       .sum = known.sum,
                                       .least = counts.least,
                                       .most = counts.most,
                                       .last = counts.last,
                                       .begun = by_host_clock(counts.begun, counts.last)});
  }
  return {};
}

// Entries up to the counter as it was before; what may be overwritten while it is read is left out and counted.
Status Journal::read_entries() {
  if (auto done = memory_->read(Bytes{0}, Bytes{sizeof(JournalRing)}); !done) return done;
  const auto end = at<JournalRing>(0).next;
  if (end - next_ > entries - in_flight) {
    const auto lost = end - next_ - (entries - in_flight);
    recorder_.lose_replays(lost);
    next_ += lost;
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
  if (const auto& newest = entry_at(end - 1); newest.begun != taken_[(end - 1) % entries]) by_host_clock(newest.begun, newest.time);
  for (; next_ != end; ++next_) {
    const auto& entry = entry_at(next_);
    auto& taken = taken_[next_ % entries];
    // It may have been counted before it is there.
    const bool there = entry.begun != taken;
    if (!there && ++stuck_ < most_looks) return {};
    there ? take(entry) : recorder_.lose_replays(1);
    taken = entry.begun;
    stuck_ = 0;
  }
  return {};
}

void Journal::take(const JournalEntry& entry) {
  const auto time = std::max(entry.time, 1U);
  const bool in_graph = (entry.name & of_graph) != 0;
  auto number = in_graph ? 0 : number_of(entry.name);
  if (in_graph) {
    const auto which = entry.name & (captured - 1);
    const std::lock_guard lock(places_);
    if (which < used_) number = recorder_.replayed(captured_[which].recorded, by_host_clock(entry.begun, time), time);
  } else {
    recorder_.device_begin(number, entry.begun);
    recorder_.device_end(number, entry.begun + time);
  }
  if (recorder_.level() == monitor::Level::steps && number != 0) timed_[entry.name] = {number, entry.begun};
}

// The newest record's number with these low bits.
std::uint64_t Journal::number_of(std::uint32_t name) const {
  const auto latest = latest_.load(std::memory_order_relaxed);
  const auto number = (latest & ~std::uint64_t{~of_graph}) | name;
  return number > latest ? number - std::uint64_t{of_graph} : number;
}

}  // namespace p2plab::capi
