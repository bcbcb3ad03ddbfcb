// SPDX-License-Identifier: Apache-2.0
// Calls in graphs, and what their replays came to.
#include "monitor/recorder.h"

namespace p2plab::monitor {

int Recorder::add_captured(std::uint64_t number, std::uint64_t capture, const CallInfo& info) {
  std::uint64_t lap = 0;
  const auto* const call = at(number, lap);
  if (call == nullptr) return -1;
  constexpr auto relaxed = std::memory_order_relaxed;
  auto& header = *part<Header>(0);
  auto index = static_cast<int>(header.captured.fetch_add(1));
  const bool fresh = static_cast<std::uint32_t>(index) < replays_;
  if (!fresh) {
    header.captured.store(replays_);
    index = take_released();
    if (index < 0) {
      refuse_captured();
      return -1;
    }
  }
  if (!fresh) header.recaptures_begun.fetch_add(1);
  auto& slot = part<ReplaySlot>(replays_at(calls_, steps_))[index];
  slot.captured.store(call->begun.load(relaxed), relaxed);
  slot.sequence.store(call->sequence.load(relaxed), relaxed);
  slot.count.store(info.count, relaxed);
  slot.capture.store(capture, relaxed);
  for (auto* later : {&slot.replays, &slot.sum, &slot.extremes, &slot.last, &slot.begun}) later->store(0, relaxed);
  write_info(slot, static_cast<int>(call->place.load(relaxed) & 0xffff), info);
  slot.stamp.store(replay_written, std::memory_order_release);
  if (!fresh) header.recaptures_ended.fetch_add(1);
  return index;
}

void Recorder::release_captured(int which) {
  if (which < 0 || static_cast<std::uint32_t>(which) >= replays_ || !ours()) return;
  part<ReplaySlot>(replays_at(calls_, steps_))[which].stamp.store(replay_released, std::memory_order_release);
}

// From where the last one was found: captures come in runs.
int Recorder::take_released() {
  auto* const slots = part<ReplaySlot>(replays_at(calls_, steps_));
  const auto from = released_.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < replays_; ++i) {
    const auto index = (from + i) % replays_;
    std::uint64_t stamp = replay_released;
    if (!slots[index].stamp.compare_exchange_strong(stamp, replay_rewritten)) continue;
    released_.store(index + 1, std::memory_order_relaxed);
    return static_cast<int>(index);
  }
  return -1;
}

bool Recorder::captured_are_many() const { return ours() && part<Header>(0)->captured.load(std::memory_order_relaxed) > replays_ / 2; }

void Recorder::refuse_captured() {
  if (ours()) part<Header>(0)->captures_refused.fetch_add(1, std::memory_order_relaxed);
}

void Recorder::replays(int which, const ReplayInfo& info) {
  if (which < 0 || static_cast<std::uint32_t>(which) >= replays_ || !ours()) return;
  constexpr auto relaxed = std::memory_order_relaxed;
  auto& slot = part<ReplaySlot>(replays_at(calls_, steps_))[which];
  slot.sum.store(info.sum, relaxed);
  slot.extremes.store(info.least | std::uint64_t{info.most} << 32, relaxed);
  slot.last.store(info.last, relaxed);
  slot.begun.store(info.begun, relaxed);
  slot.replays.store(info.replays, std::memory_order_release);
}

std::uint64_t Recorder::begin_replay(int side, int which, const CallInfo& info) {
  if (side < 0 || !ours()) return 0;
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto sequence = part<Side>(sides_at)[side].replayed.fetch_add(1, relaxed);
  std::uint64_t index = 0;
  auto* const call = claim(index);
  if (call == nullptr) return 0;
  const auto lap = lap_of(index, calls_);
  auto captured_info = info;
  if (which >= 0 && static_cast<std::uint32_t>(which) < replays_) {
    captured_info.flags = static_cast<std::uint8_t>(info.flags | monitor::captured);
    write_info(part<ReplaySlot>(replays_at(calls_, steps_))[which], side, captured_info);
  }
  captured_info.flags = static_cast<std::uint8_t>(captured_info.flags | monitor::replayed);
  call->begun.store(now(), relaxed);
  call->sequence.store(sequence, relaxed);
  call->count.store(info.count, relaxed);
  call->ended.store(lap | static_cast<std::uint64_t>(Progress::queued) << 46, relaxed);
  call->device_begun.store(lap, relaxed);
  call->device_ended.store(lap, relaxed);
  call->graph.store(static_cast<std::uint64_t>(which + 1), relaxed);
  write_info(*call, side, captured_info);
  call->stamp.store(2 * (index + 1), std::memory_order_release);
  return index + 1;
}

std::uint64_t Recorder::replayed(int which, std::uint64_t begun, std::uint64_t ns) {
  if (which < 0 || static_cast<std::uint32_t>(which) >= replays_ || !ours()) return 0;
  constexpr auto relaxed = std::memory_order_relaxed;
  const auto& slot = part<ReplaySlot>(replays_at(calls_, steps_))[which];
  const auto place = slot.place.load(relaxed);
  const auto sequence = part<Side>(sides_at)[place & 0xffff].replayed.fetch_add(1, relaxed);
  std::uint64_t index = 0;
  auto* const call = claim(index);
  if (call == nullptr) return 0;
  const auto lap = lap_of(index, calls_);
  call->begun.store(begun, relaxed);
  call->sequence.store(sequence, relaxed);
  call->count.store(slot.count.load(relaxed), relaxed);
  call->ended.store(lap | static_cast<std::uint64_t>(Progress::done) << 46 | (ns & low46), relaxed);
  call->device_begun.store(lap | 1, relaxed);
  call->device_ended.store(lap | (1 + ns), relaxed);
  call->expected.store(slot.expected.load(relaxed), relaxed);
  call->high.store(slot.high.load(relaxed), relaxed);
  call->words.store(slot.words.load(relaxed) | std::uint64_t{monitor::replayed} << 56, relaxed);
  call->place.store(place, relaxed);
  call->graph.store(static_cast<std::uint64_t>(which) + 1, relaxed);
  call->stamp.store(2 * (index + 1), std::memory_order_release);
  return index + 1;
}

void Recorder::lose_replays(std::uint64_t count) {
  if (ours()) part<Header>(0)->replays_lost.fetch_add(count, std::memory_order_relaxed);
}

}  // namespace p2plab::monitor
