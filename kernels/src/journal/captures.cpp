// SPDX-License-Identifier: Apache-2.0
// Calls in graphs: which of them their kernels note, where, and how often they ran.
#include <algorithm>
#include <optional>

#include "device/words.h"
#include "journal/journal.h"
#include "journal/noted_calls.h"

namespace p2plab::capi {

namespace {

using args::CallCounts;

static_assert(offsetof(CallCounts, last) == args::last_run && offsetof(CallCounts, left) == args::left_begin);

// What a call's runs come to, the last one too. Nothing where its two halves are of two times.
std::optional<CallCounts> with_the_last(CallCounts counts) {
  if (counts.run == counts.count) return counts;
  if (counts.run != counts.count + 1) return std::nullopt;
  const auto time = device::short_time(args::time_of(counts.last));
  counts.least = counts.count == 0 ? time : std::min(counts.least, time);
  counts.most = std::max(counts.most, time);
  counts.sum += time;
  ++counts.count;
  return counts;
}

Bytes memory_bytes(std::uint64_t count) { return Bytes{static_cast<std::int64_t>(count)}; }

bool by_one_way(const monitor::CallInfo& a, const monitor::CallInfo& b) {
  return a.algorithm == b.algorithm && a.protocol == b.protocol && a.blocks == b.blocks;
}

}  // namespace

Journal::~Journal() {
  for (std::uint32_t i = 0; i < used_; ++i) recorder_.release_captured(captured_[i].recorded);
}

// The first of a form is noted, then one in so many.
Journal::Alike* Journal::to_follow(const runtime::Call& asked) {
  if (each_) return nullptr;
  const auto found = std::ranges::find(alike_, asked, &Alike::asked);
  const auto bytes = static_cast<std::uint64_t>(runtime::bytes_of(asked));
  const bool follows = found != alike_.end() && found->followers + 1 < noted_one_in(recorder_.level(), bytes);
  return follows ? &*found : nullptr;
}

// Places that nobody had first, so that what is known of graphs that are gone stays as long as there is room.
CallJournal Journal::of_captured(std::uint64_t capture, const runtime::Call& asked) {
  const std::lock_guard lock(places_);
  if (capture != capture_) {
    capture_ = capture;
    alike_.clear();
    followers_.clear();
  }
  const auto next = used_ < captured ? used_ : free_.empty() ? none : free_.back();
  offer_ = {.place = next, .capture = capture, .follows = to_follow(asked), .asked = asked};
  if (next == none || offer_.follows != nullptr) return {};
  CallJournal journal{.counts = memory_->address() + counts_at() + next * sizeof(CallCounts), .name = next | of_graph};
  if (has_ring()) {
    journal.ring = memory_->address();
    journal.mask = entries - 1;
  }
  return journal;
}

void Journal::keep(std::uint64_t number, const monitor::CallInfo& info, const SharedItems& items) {
  const std::lock_guard lock(places_);
  if (number == 0 || offer_.place == none) return recorder_.refuse_captured();  // an offer may be of a call before
  auto of = info;
  if (auto* const noted = offer_.follows; noted != nullptr) {
    of.flags |= monitor::follows;
    // Another program is ready by now: this one was launched without a place, the next one gets it.
    if (!by_one_way(noted->served, info)) noted->followers = captured;
  }
  offer_.served = info;
  put(recorder_.add_captured(number, offer_.capture, of), items);
}

void Journal::give_up() {
  const std::lock_guard lock(places_);
  if (offer_.place != none && offer_.follows == nullptr) put(-1, nullptr);
}

// Others may have become free since it was offered.
void Journal::put(int recorded, const SharedItems& items) {
  const auto offer = std::exchange(offer_, {});
  const auto next = offer.place;
  auto& call = captured_[next] = {.recorded = recorded, .capture = offer.capture};
  if (next == used_)
    ++used_;
  else
    std::erase(free_, next);
  if (offer.follows != nullptr) {
    ++offer.follows->followers;
    call.follows = offer.follows->place;
    followers_.push_back(next);
    return;
  }
  if (recorded < 0) return;
  for (const auto each : followers_) captured_[each].before = next;
  followers_.clear();
  std::erase_if(alike_, [&](const Alike& other) { return other.asked == offer.asked; });
  alike_.push_back({.asked = offer.asked, .served = offer.served, .place = next});
  if (!items) return;
  const std::lock_guard lock(items_mutex_);
  items_[next | of_graph] = items;
}

bool Journal::is_scarce() const {
  const std::lock_guard lock(places_);
  return used_ > captured / 2 || recorder_.captured_are_many();
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
    if (auto done = memory_->clear(memory_bytes(counts_at() + i * sizeof(CallCounts)), memory_bytes(sizeof(CallCounts))); !done) return done;
    recorder_.release_captured(its.recorded);
    its = {};
    free_.push_back(i);
    const std::lock_guard items(items_mutex_);
    items_.erase(i | of_graph);
  }
  return {};
}

// The last run among them.
void Journal::read_runs(Captured& call, const CallCounts& counts) {
  const auto runs = with_the_last(counts);
  if (!runs || runs->count == call.seen.count) return;
  const auto last = args::time_of(runs->last);
  call.known = {.replays = call.known.replays + (runs->count - call.seen.count),
                .sum = call.known.sum + (runs->sum - call.seen.sum),
                .least = runs->least,
                .most = runs->most,
                .last = device::short_time(last),
                .begun = by_host_clock(extended(args::begun_of(runs->last)), last)};
  call.seen = *runs;
  recorder_.replays(call.recorded, call.known);
}

// A graph runs its calls equally often, in their order: not more often than the one behind this one. The run that the other one is ahead is its last;
// where it is ahead by more, they took its mean time. What is added up never becomes less.
void Journal::follow(Captured& call) const {
  auto known = captured_[call.follows].known;
  const auto replays = call.before == none ? known.replays : std::min(known.replays, captured_[call.before].known.replays);
  if (replays <= call.known.replays) return;
  const auto ahead = known.replays - replays;
  known.sum -= ahead == 1 ? known.last : known.sum / known.replays * ahead;
  known.sum = std::max(known.sum, call.known.sum);
  known.replays = replays;
  call.known = known;
  recorder_.replays(call.recorded, known);
}

Status Journal::read_counts() {
  std::uint32_t used = 0;
  {
    const std::lock_guard lock(places_);
    used = used_;
  }
  if (used == 0) return {};
  if (auto done = memory_->read(memory_bytes(counts_at()), memory_bytes(used * sizeof(CallCounts))); !done) return done;
  const std::lock_guard lock(places_);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (captured_[i].follows == none) read_runs(captured_[i], at<CallCounts>(counts_at() + i * sizeof(CallCounts)));
  }
  for (std::uint32_t i = 0; i < used; ++i) {
    if (captured_[i].follows != none) follow(captured_[i]);
  }
  return {};
}

}  // namespace p2plab::capi
