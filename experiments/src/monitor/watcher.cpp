// SPDX-License-Identifier: Apache-2.0
#include "monitor/watcher.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace p2plab::monitor {

namespace {

bool is_over(const RecordedCall& call) {
  return call.device_time != 0 || call.progress == CallProgress::done || call.progress == CallProgress::failed;
}

// Calls that were put on streams are read again for their device's time for so long.
constexpr std::uint64_t timeout = 10'000'000'000;

std::uint64_t first_open(const RecordedProcess& process, std::uint64_t now) {
  for (const auto& call : process.calls) {
    const bool hoped = call.progress == CallProgress::running || (process.level > 1 && call.begun + timeout > now);
    if (!is_over(call) && hoped) return call.number;
  }
  return process.next;
}

}  // namespace

void Watcher::complain(const std::string& what) {
  if (std::ranges::find(complained_, what) != complained_.end()) return;
  complained_.push_back(what);
  complaints_.push_back(what);
}

// The mean of what was replayed since the last look.
void Watcher::count_replays(const RecordedProcess& before, RecordedProcess& now) const {
  now.counted = before.counted;
  for (std::size_t i = 0; i < now.replays.size(); ++i) {
    const auto& is = now.replays[i];
    if (now.has_each_replay(is.call)) continue;
    // A place may have been given to another call.
    const bool same = i < before.replays.size() && before.replays[i].capture == is.capture && before.replays[i].call.begun == is.call.begun;
    const auto was = same ? before.replays[i] : RecordedReplays{};
    if (is.replays <= was.replays || is.sum < was.sum) continue;
    auto call = is.call;
    call.replayed = true;
    call.graph = i;
    call.number = looks_;
    call.replays = is.replays - was.replays;
    call.begun = is.begun;
    call.progress = CallProgress::done;
    call.device_begun = 1;
    call.device_time = std::max<std::uint64_t>(1, (is.sum - was.sum) / call.replays);
    call.ended = call.begun + call.device_time;
    now.counted.push_back(call);
  }
  if (now.counted.size() > options_.kept) now.counted.erase(now.counted.begin(), now.counted.end() - static_cast<std::ptrdiff_t>(options_.kept));
}

void Watcher::look_at(const std::string& path) {
  auto& place = places_[path];
  if (place.over) return;
  auto& known = processes_[path];
  const auto from = known.path.empty() ? 0 : std::min(place.next, first_open(known, monotonic_now()));
  auto now = read_records(path, {.from = from});
  if (!now) {
    complain(now.error().message);
    if (known.path.empty()) processes_.erase(path);
    return;
  }
  if (now->next > place.next) place.lost += std::min(now->overwritten, now->next - place.next) + now->missed;
  std::erase_if(known.calls, [&](const RecordedCall& call) { return call.number >= from; });
  known.calls.insert(known.calls.end(), now->calls.begin(), now->calls.end());
  if (known.calls.size() > options_.kept) known.calls.erase(known.calls.begin(), known.calls.end() - static_cast<std::ptrdiff_t>(options_.kept));
  place.lost += now->replays_lost - std::min(now->replays_lost, known.replays_lost);
  count_replays(known, *now);
  auto calls = std::move(known.calls);
  known = *std::move(now);
  known.calls = std::move(calls);
  place.next = known.next;
  place.over = known.state == ProcessState::gone || known.state == ProcessState::ended;
}

Status Watcher::look() {
  ++looks_;
  if (!options_.files.empty()) {
    for (const auto& file : options_.files) look_at(file);
    return {};
  }
  const auto files = record_files(options_.folder);
  if (!files) return files.error();
  for (const auto& file : *files) look_at(file);
  // A process that ended in order took its file along; what it did stays known for as long as this watches.
  for (auto& [path, process] : processes_) {
    if (!std::ranges::binary_search(*files, path) && !places_[path].over) {
      process.state = ProcessState::ended;
      places_[path].over = true;
    }
  }
  return {};
}

std::vector<const RecordedProcess*> Watcher::current(bool ended) const {
  std::set<std::uint64_t> alive;
  const auto runs = [](const RecordedProcess& process) { return process.state == ProcessState::running || process.state == ProcessState::stopped; };
  for (const auto& [path, process] : processes_) {
    for (const auto& side : process.sides) {
      if (runs(process)) alive.insert(side.communicator);
    }
  }
  std::vector<const RecordedProcess*> all;
  for (const auto& [path, process] : processes_) {
    const bool with_others = std::ranges::any_of(process.sides, [&](const RecordedSide& side) { return alive.contains(side.communicator); });
    if (ended || runs(process) || with_others) all.push_back(&process);
  }
  return all;
}

std::vector<Watcher::Seen> Watcher::take_settled(Seconds settled, std::uint64_t now) {
  std::vector<Seen> seen;
  const auto age = static_cast<std::uint64_t>(settled.count() * 1e9);
  for (auto& [path, process] : processes_) {
    auto& place = places_[path];
    for (const auto& call : process.calls) {
      if (call.number < place.settled) continue;
      if (!is_over(call) && call.begun + age > now && !place.over) break;
      seen.push_back({&process, call});
      place.settled = call.number + 1;
    }
    for (const auto& call : process.counted) {
      if (call.number > place.given) seen.push_back({&process, call});
    }
    if (!process.counted.empty()) place.given = process.counted.back().number;
  }
  return seen;
}

std::uint64_t Watcher::lost() const {
  std::uint64_t all = 0;
  for (const auto& [path, place] : places_) all += place.lost;
  return all;
}

}  // namespace p2plab::monitor
