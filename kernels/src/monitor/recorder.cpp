// SPDX-License-Identifier: Apache-2.0
#include "monitor/recorder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace p2plab::monitor {

namespace {

std::uint64_t two(float low, float high) { return std::bit_cast<std::uint32_t>(low) | std::uint64_t{std::bit_cast<std::uint32_t>(high)} << 32; }

constexpr std::uint64_t top16 = ~low48;

// What it was before.
std::uint64_t raise(std::atomic<std::uint64_t>& value, std::uint64_t by, Writers writers) {
  constexpr auto relaxed = std::memory_order_relaxed;
  if (writers == Writers::any) return value.fetch_add(by, relaxed);
  const auto before = value.load(relaxed);
  value.store(before + by, relaxed);
  return before;
}

}  // namespace

int Recorder::add_side(const SideInfo& info) {
  if (!ours()) return -1;
  auto& header = *part<Header>(0);
  const auto number = header.sides.fetch_add(1);
  if (number >= most_sides) {
    header.sides.store(most_sides);
    header.sides_refused.fetch_add(1);
    return -1;
  }
  auto& side = part<Side>(sides_at)[number];
  side.communicator = info.communicator;
  side.rank = info.rank;
  side.ranks = info.ranks;
  side.device = info.device;
  side.place = info.place;
  copy_text(side.name, sizeof side.name, info.name);
  side.ready.store(1, std::memory_order_release);
  return static_cast<int>(number);
}

void Recorder::close_side(int side) {
  if (side >= 0 && ours()) part<Side>(sides_at)[side].closed.store(now());
}

// Texts are written once and never change. A text is there once its first byte is, which is written last: a number is taken before. Two threads may
// write one text twice, which readers do not notice.
std::uint8_t Recorder::name(const char* text) {
  if (text == nullptr || *text == '\0' || !ours()) return 0;
  auto& header = *part<Header>(0);
  auto* const names = part<Name>(names_at);
  char wanted[sizeof(Name::text)];
  copy_text(wanted, sizeof wanted, text);
  const auto known = std::min<std::uint32_t>(header.names.load(std::memory_order_acquire), most_names);
  for (std::uint32_t i = 0; i < known; ++i) {
    const auto first = std::atomic_ref(names[i].text[0]).load(std::memory_order_acquire);
    if (first == wanted[0] && std::strcmp(names[i].text, wanted) == 0) return static_cast<std::uint8_t>(i + 1);
  }
  const auto number = header.names.fetch_add(1);
  if (number >= most_names) {
    header.names.store(most_names);
    return 0;
  }
  auto& made = names[number].text;
  std::memcpy(made + 1, wanted + 1, sizeof wanted - 1);
  std::atomic_ref(made[0]).store(wanted[0], std::memory_order_release);
  return static_cast<std::uint8_t>(number + 1);
}

template <class Slot>
void Recorder::write_info(Slot& call, int number, const CallInfo& info) {
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto half = [](std::int16_t value) { return std::uint64_t{static_cast<std::uint16_t>(value)}; };
  call.expected.store(two(info.predicted, info.low), relaxed);
  call.high.store(std::bit_cast<std::uint32_t>(info.high) | std::uint64_t{info.stream} << 32, relaxed);
  call.words.store(std::uint64_t{info.kind} | std::uint64_t{info.type} << 8 | std::uint64_t{info.op} << 16 |
                       static_cast<std::uint64_t>(info.backend) << 24 | std::uint64_t{info.algorithm} << 32 | std::uint64_t{info.protocol} << 40 |
                       std::uint64_t{info.reason} << 48 | std::uint64_t{info.flags} << 56,
                   relaxed);
  call.place.store(static_cast<std::uint64_t>(number) | half(info.root) << 16 | half(info.peer) << 32 | std::uint64_t{info.blocks} << 48, relaxed);
}

template void Recorder::write_info(ReplaySlot& call, int number, const CallInfo& info);
template void Recorder::write_info(CallSlot& call, int number, const CallInfo& info);

std::uint64_t Recorder::begin(int number, const CallInfo& info, Writers writers) {
  if (number < 0 || !ours()) return 0;
  auto& side = part<Side>(sides_at)[number];
  const bool pair = info.kind == send || info.kind == receive;
  const auto sequence = raise(pair ? side.pairs : side.begun, 1, writers);
  raise(side.counts[info.kind], 1, writers);
  raise(side.bytes[info.kind], info.bytes, writers);
  std::uint64_t index = 0;
  auto* const call = claim(index);
  if (call == nullptr) return 0;
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto lap = lap_of(index, calls_);
  call->begun.store(now(), relaxed);
  call->sequence.store(sequence, relaxed);
  call->count.store(info.count, relaxed);
  for (auto* later : {&call->ended, &call->device_begun, &call->device_ended}) later->store(lap, relaxed);
  call->graph.store(0, relaxed);
  write_info(*call, number, info);
  call->stamp.store(2 * (index + 1), std::memory_order_release);
  return index + 1;
}

// The next slot, ours until its stamp is even; null if a slower thread is still at it.
CallSlot* Recorder::claim(std::uint64_t& index) const {
  auto& header = *part<Header>(0);
  index = header.next_call.fetch_add(1);
  auto& call = part<CallSlot>(calls_at)[index & (calls_ - 1)];
  // The ring is longer than caches: the next call's place is fetched while there is time.
  const auto* const next = reinterpret_cast<const char*>(&part<CallSlot>(calls_at)[(index + 1) & (calls_ - 1)]);
  __builtin_prefetch(next, 1);
  __builtin_prefetch(next + sizeof(CallSlot) - 1, 1);
  const auto stamp = 2 * (index + 1);
  auto seen = call.stamp.load(std::memory_order_relaxed);
  if ((seen & 1) == 0 && seen <= stamp && call.stamp.compare_exchange_strong(seen, stamp | 1)) return &call;
  header.dropped.fetch_add(1, std::memory_order_relaxed);
  header.left_out_numbers[header.left_out.fetch_add(1, std::memory_order_relaxed) % most_left_out].store(index + 1, std::memory_order_release);
  return nullptr;
}

// Where a call is, unless it was overwritten.
CallSlot* Recorder::at(std::uint64_t call, std::uint64_t& lap) const {
  if (call == 0 || !ours()) return nullptr;
  auto& found = part<CallSlot>(calls_at)[(call - 1) & (calls_ - 1)];
  lap = lap_of(call - 1, calls_);
  // Its own thread may be at it, for a few stores.
  constexpr int most_looks = 10'000;
  auto stamp = found.stamp.load(std::memory_order_acquire);
  for (int i = 0; i < most_looks && stamp == (2 * call | 1); ++i) stamp = found.stamp.load(std::memory_order_acquire);
  return stamp == 2 * call ? &found : nullptr;
}

void Recorder::end(std::uint64_t number, Progress how) {
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  if (call == nullptr) return;
  const auto passed = (now() - call->begun.load(std::memory_order_relaxed)) & low46;
  const auto value = lap | static_cast<std::uint64_t>(how) << 46 | passed;
  auto before = call->ended.load(std::memory_order_relaxed);
  while ((before & top16) == lap) {
    const auto was = static_cast<Progress>(before >> 46 & 3);
    if (was == Progress::failed) return;
    const bool first = was == Progress::running;
    if (!call->ended.compare_exchange_weak(before, value)) continue;
    const auto side = call->place.load(std::memory_order_relaxed) & 0xffff;
    if (first && side < most_sides) part<Side>(sides_at)[side].ended.fetch_add(1, std::memory_order_relaxed);
    return;
  }
}

void Recorder::served(std::uint64_t number, const CallInfo& info) {
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  if (call == nullptr) return;
  auto stamp = 2 * number;
  if (!call->stamp.compare_exchange_strong(stamp, stamp | 1)) return;
  write_info(*call, static_cast<int>(call->place.load(std::memory_order_relaxed) & 0xffff), info);
  call->stamp.store(2 * number, std::memory_order_release);
}

void Recorder::put(std::uint64_t number, const CallInfo& info, Progress how) {
  constexpr auto relaxed = std::memory_order_relaxed;
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  auto stamp = 2 * number;
  if (call == nullptr || !call->stamp.compare_exchange_strong(stamp, stamp | 1)) return;
  const auto side = call->place.load(relaxed) & 0xffff;
  write_info(*call, static_cast<int>(side), info);
  call->ended.store(lap | static_cast<std::uint64_t>(how) << 46, relaxed);
  call->stamp.store(2 * number, std::memory_order_release);
  if (side < most_sides) raise(part<Side>(sides_at)[side].ended, 1, Writers::one);
}

void Recorder::add_info(std::uint64_t number, const CallInfo& info) {
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  auto stamp = 2 * number;
  if (call == nullptr || !call->stamp.compare_exchange_strong(stamp, stamp | 1)) return;
  constexpr auto relaxed = std::memory_order_relaxed;
  constexpr std::uint64_t replaced = std::uint64_t{0xffff} << 32;
  call->words.store((call->words.load(relaxed) & ~replaced) | std::uint64_t{info.algorithm} << 32 | std::uint64_t{info.protocol} << 40, relaxed);
  call->place.store((call->place.load(relaxed) & low48) | std::uint64_t{info.blocks} << 48, relaxed);
  call->stamp.store(2 * number, std::memory_order_release);
}

void Recorder::device_begin(std::uint64_t number, std::uint64_t when) {
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  if (call == nullptr) return;
  when = when == 0 ? 1 : when & low48;
  auto before = call->device_begun.load(std::memory_order_relaxed);
  while ((before & top16) == lap && ((before & low48) == 0 || when < (before & low48))) {
    if (call->device_begun.compare_exchange_weak(before, lap | when)) return;
  }
}

void Recorder::device_end(std::uint64_t number, std::uint64_t when) {
  std::uint64_t lap = 0;
  auto* const call = at(number, lap);
  if (call == nullptr) return;
  when &= low48;
  auto before = call->device_ended.load(std::memory_order_relaxed);
  while ((before & top16) == lap && when > (before & low48)) {
    if (call->device_ended.compare_exchange_weak(before, lap | when)) return;
  }
}

void Recorder::device_time(std::uint64_t call, std::uint64_t duration) {
  device_begin(call, 1);
  device_end(call, 1 + duration);
}

bool Recorder::device_has_begun(std::uint64_t number) const {
  std::uint64_t lap = 0;
  const auto* const call = at(number, lap);
  return call != nullptr && (call->device_begun.load(std::memory_order_relaxed) & low48) != 0;
}

std::uint64_t Recorder::device_ns(std::uint64_t number) const {
  std::uint64_t lap = 0;
  const auto* const call = at(number, lap);
  if (call == nullptr) return 0;
  const auto begun = call->device_begun.load(std::memory_order_relaxed) & low48;
  const auto ended = call->device_ended.load(std::memory_order_relaxed) & low48;
  return begun != 0 && ended > begun ? ended - begun : 0;
}

std::uint64_t Recorder::begun(std::uint64_t number) const {
  std::uint64_t lap = 0;
  const auto* const call = at(number, lap);
  return call != nullptr ? call->begun.load(std::memory_order_relaxed) : 0;
}

void Recorder::lose_steps(std::uint64_t count) {
  if (count > 0 && ours()) part<Header>(0)->steps_lost.fetch_add(count, std::memory_order_relaxed);
}

void Recorder::step(const StepInfo& info) {
  if (steps_ == 0 || info.call == 0 || !ours()) return;
  auto& header = *part<Header>(0);
  const auto index = header.next_step.fetch_add(1);
  auto& step = part<StepSlot>(steps_at(calls_))[index & (steps_ - 1)];
  const auto stamp = 2 * (index + 1);
  auto seen = step.stamp.load(std::memory_order_relaxed);
  if ((seen & 1) != 0 || seen > stamp || !step.stamp.compare_exchange_strong(seen, stamp | 1)) {
    header.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  constexpr auto relaxed = std::memory_order_relaxed;
  step.call.store(info.call, relaxed);
  step.begun.store(info.begun, relaxed);
  constexpr std::uint64_t longest = 0xffffffff;
  step.times.store(std::min(info.ended - info.begun, longest) | std::uint64_t{info.waited} << 32, relaxed);
  step.place.store(std::uint64_t{info.step} | std::uint64_t{info.lane} << 32 | std::uint64_t{info.block} << 48, relaxed);
  step.stamp.store(stamp, std::memory_order_release);
}

void Recorder::event(EventKind kind, int side, const char* text) {
  if (!ours()) return;
  const auto index = part<Header>(0)->next_event.fetch_add(1);
  auto& event = part<Event>(events_at)[index % most_events];
  event.stamp.store(0, std::memory_order_release);
  event.when = now();
  event.kind = static_cast<std::uint32_t>(kind);
  event.side = side;
  copy_text(event.text, sizeof event.text, text);
  event.stamp.store(2 * (index + 1), std::memory_order_release);
}

}  // namespace p2plab::monitor
