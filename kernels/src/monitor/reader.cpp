// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "monitor/gpu_place.h"
#include "monitor/layout.h"
#include "monitor/record_file.h"
#include "monitor/recorder.h"
#include "p2plab/run/monitor.h"

namespace p2plab {

namespace {

using namespace monitor;
constexpr std::uint32_t longest_ring = 1U << 24;

using RawHeader = std::array<std::byte, sizeof(Header)>;
using RawSide = std::array<std::byte, sizeof(Side)>;
using RawName = std::array<char, sizeof(Name)>;
using RawEvent = std::array<std::byte, sizeof(Event)>;
using RawCall = std::array<std::uint64_t, sizeof(CallSlot) / 8>;
using RawReplay = std::array<std::uint64_t, sizeof(ReplaySlot) / 8>;
using RawStep = std::array<std::uint64_t, sizeof(StepSlot) / 8>;

template <class T, class Raw>
T at(const Raw& raw, std::size_t offset) {
  T value;
  std::memcpy(&value, reinterpret_cast<const char*>(raw.data()) + offset, sizeof value);
  return value;
}

template <class Raw>
std::string text_at(const Raw& raw, std::size_t offset, std::size_t size) {
  const char* text = reinterpret_cast<const char*>(raw.data()) + offset;
  std::string all(text, strnlen(text, size));
  // What a terminal or a page would take for more than text is not passed on.
  std::ranges::replace_if(
      all, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return all;
}

ProcessState state_of(std::uint32_t pid, std::uint64_t start, bool closed) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos || bracket + 2 >= text.size()) return closed ? ProcessState::ended : ProcessState::gone;
  auto at = bracket;
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos || std::strtoull(text.c_str() + at + 1, nullptr, 10) != start) return closed ? ProcessState::ended : ProcessState::gone;
  const char letter = text[bracket + 2];
  if (letter == 'Z' || letter == 'X') return closed ? ProcessState::ended : ProcessState::gone;
  if (closed) return ProcessState::ended;
  return letter == 'T' || letter == 't' ? ProcessState::stopped : ProcessState::running;
}

RecordedSide side_from(const RawSide& raw) {
  RecordedSide side;
  side.communicator = at<std::uint64_t>(raw, offsetof(Side, communicator));
  side.rank = at<std::int32_t>(raw, offsetof(Side, rank));
  side.ranks = at<std::int32_t>(raw, offsetof(Side, ranks));
  side.device = at<std::int32_t>(raw, offsetof(Side, device));
  side.place = monitor::place_text(at<std::uint32_t>(raw, offsetof(Side, place)));
  side.name = text_at(raw, offsetof(Side, name), sizeof(Side::name));
  side.begun = at<std::uint64_t>(raw, offsetof(Side, begun));
  side.ended = at<std::uint64_t>(raw, offsetof(Side, ended));
  side.closed = at<std::uint64_t>(raw, offsetof(Side, closed));
  for (std::size_t k = 0; k < kinds; ++k) {
    side.counts[k] = at<std::uint64_t>(raw, offsetof(Side, counts) + 8 * k);
    side.bytes[k] = at<std::uint64_t>(raw, offsetof(Side, bytes) + 8 * k);
  }
  return side;
}

// What of a call is known before it runs: four words, as they lie in calls and in replays.
void add_info(RecordedCall& call, const std::uint64_t* w) {
  const auto byte = [&](int which) { return static_cast<std::uint8_t>(w[2] >> (8 * which)); };
  const auto seconds = [](std::uint64_t bits) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    return Seconds{value >= 0 && value < 1e9F ? value : 0};
  };
  call.predicted = seconds(w[0]);
  call.low = seconds(w[0] >> 32);
  call.high = seconds(w[1]);
  call.stream = static_cast<std::uint32_t>(w[1] >> 32);
  call.kind = byte(0);
  call.type = byte(1);
  call.op = byte(2);
  call.backend = byte(3);
  call.algorithm = byte(4);
  call.protocol = byte(5);
  call.reason = byte(6);
  call.captured = (byte(7) & captured) != 0;
  call.follows = (byte(7) & follows) != 0;
  call.passed_on = (byte(7) & passed_on) != 0;
  call.recorded_inside = (byte(7) & recorded_inside) != 0;
  call.replayed = (byte(7) & replayed) != 0;
  call.side = static_cast<std::uint16_t>(w[3]);
  call.root = static_cast<std::int16_t>(w[3] >> 16);
  call.peer = static_cast<std::int16_t>(w[3] >> 32);
  call.blocks = static_cast<std::uint16_t>(w[3] >> 48);
}

RecordedCall call_from(const RawCall& w, std::uint64_t number) {
  RecordedCall call;
  call.number = number;
  call.begun = w[1];
  call.sequence = w[2];
  call.count = w[3];
  call.progress = static_cast<CallProgress>(w[4] >> 46 & 3);
  call.ended = call.progress == CallProgress::running ? 0 : call.begun + (w[4] & low46);
  call.device_begun = w[5] & low48;
  const auto device_ended = w[6] & low48;
  if (call.device_begun != 0 && device_ended > call.device_begun) call.device_time = device_ended - call.device_begun;
  add_info(call, &w[7]);
  if (call.replayed && w[11] > 0) call.graph = w[11] - 1;
  return call;
}

Status add_replays(const RecordFile& file, RecordedProcess& process, std::size_t begins, std::uint32_t captured) {
  // Again, if one was given to another call meanwhile.
  auto slots = file.read<RawReplay>(begins, 0);
  for (bool again = true, last = false; again; last = true) {
    const auto ended = file.read<std::uint64_t>(offsetof(Header, recaptures_ended), 1);
    slots = file.read<RawReplay>(begins, captured);
    const auto begun = file.read<std::uint64_t>(offsetof(Header, recaptures_begun), 1);
    again = !last && ended && begun && ended->front() != begun->front();
  }
  if (!slots) return slots.error();
  for (const auto& w : *slots) {
    if (w[0] == 0 || w[0] > replay_released) break;
    if (w[0] == replay_rewritten) process.replays.emplace_back();
    if (w[0] == replay_rewritten) continue;
    RecordedReplays replays;
    replays.call.begun = w[1];
    replays.call.sequence = w[2];
    replays.call.count = w[3];
    add_info(replays.call, &w[4]);
    replays.capture = w[8];
    replays.replays = w[9];
    replays.sum = w[10];
    replays.least = w[11] & 0xffffffff;
    replays.most = w[11] >> 32;
    replays.last = w[12];
    replays.begun = w[13];
    if (replays.call.kind >= kinds) break;
    process.replays.push_back(replays);
  }
  return {};
}

// Was this call left out, and will never be written? So are those before all that are still known to be.
bool left_out(const RawHeader& header, std::uint64_t number) {
  const auto numbers = at<std::array<std::uint64_t, most_left_out>>(header, offsetof(Header, left_out_numbers));
  if (std::ranges::find(numbers, number + 1) != numbers.end()) return true;
  return at<std::uint64_t>(header, offsetof(Header, left_out)) > most_left_out && std::ranges::min(numbers) > number + 1;
}

Status add_calls(const RecordFile& file, RecordedProcess& process, const RawHeader& header, std::uint64_t from) {
  const Ring ring{calls_at, process.ring, offsetof(Header, next_call)};
  const auto taken = take<RawCall>(file, ring, from);
  if (!taken) return taken.error();
  process.overwritten = taken->first > from ? taken->first - from : 0;
  process.next = taken->first + taken->slots.size();
  for (std::size_t i = 0; i < taken->slots.size(); ++i) {
    const auto number = taken->first + i;
    const auto stamp = taken->slots[i][0];
    if (stamp == 2 * (number + 1)) {
      process.calls.push_back(call_from(taken->slots[i], number));
      if (process.calls.back().kind >= kinds) process.calls.pop_back();
      continue;
    }
    // It is still being written, by a thread that may have been put aside meanwhile, and those after it wait with it: a lap of the ring at most.
    if (process.state == ProcessState::running && !left_out(header, number)) {
      process.next = number;
      break;
    }
    ++process.missed;
  }
  return {};
}

Status add_steps(const RecordFile& file, RecordedProcess& process, std::uint64_t length) {
  if (length == 0) return {};
  const auto taken = take<RawStep>(file, {steps_at(process.ring), length, offsetof(Header, next_step)}, 0);
  if (!taken) return taken.error();
  for (std::size_t i = 0; i < taken->slots.size(); ++i) {
    const auto& w = taken->slots[i];
    if (w[0] != 2 * (taken->first + i + 1) || w[1] == 0) continue;
    process.steps.push_back({.call = w[1] - 1,
                             .begun = w[2],
                             .ended = w[2] + (w[3] & 0xffffffff),
                             .waited = w[3] >> 32,
                             .step = static_cast<std::uint32_t>(w[4]),
                             .lane = static_cast<std::uint16_t>(w[4] >> 32),
                             .block = static_cast<std::uint16_t>(w[4] >> 48)});
  }
  return {};
}

// Communicators that are there by now, then names and events.
Status add_texts(const RecordFile& file, RecordedProcess& process) {
  const auto headers = file.read<RawHeader>(0, 1);
  if (!headers) return headers.error();
  const auto& header = headers->front();
  const auto sides = std::min(at<std::uint32_t>(header, offsetof(Header, sides)), most_sides);
  const auto slots = file.read<RawSide>(sides_at, sides);
  if (!slots) return slots.error();
  // One that is still being written is left empty, for those behind it may have calls.
  std::size_t ready = 0;
  for (const auto& raw : *slots) {
    const bool is_ready = at<std::uint64_t>(raw, offsetof(Side, ready)) != 0;
    process.sides.push_back(is_ready ? side_from(raw) : RecordedSide{});
    if (is_ready) ready = process.sides.size();
  }
  process.sides.resize(ready);
  const auto names = file.read<RawName>(names_at, std::min(at<std::uint32_t>(header, offsetof(Header, names)), most_names));
  if (!names) return names.error();
  process.names.emplace_back();
  for (const auto& name : *names) process.names.push_back(text_at(name, 0, sizeof(Name)));
  const auto next = at<std::uint64_t>(header, offsetof(Header, next_event));
  const auto events = file.read<RawEvent>(events_at, most_events);
  if (!events) return events.error();
  for (auto number = next > most_events ? next - most_events : 0; number < next; ++number) {
    const auto& raw = (*events)[number % most_events];
    if (at<std::uint64_t>(raw, offsetof(Event, stamp)) != 2 * (number + 1)) continue;
    process.events.push_back({.when = at<std::uint64_t>(raw, offsetof(Event, when)),
                              .kind = at<std::uint32_t>(raw, offsetof(Event, kind)),
                              .side = at<std::int32_t>(raw, offsetof(Event, side)),
                              .text = text_at(raw, offsetof(Event, text), sizeof(Event::text))});
  }
  return {};
}

}  // namespace

Seconds RecordedCall::time() const {
  constexpr double ns = 1e-9;
  if (device_time != 0) return Seconds{static_cast<double>(device_time) * ns};
  if (progress != CallProgress::done || ended <= begun) return Seconds{0};
  return Seconds{static_cast<double>(ended - begun) * ns};
}

Result<RecordedProcess> read_records(const std::string& path, const RecordQuery& query) {
  const auto file = RecordFile::open(path);
  if (!file) return file.error();
  const auto headers = file->read<RawHeader>(0, 1);
  if (!headers) return headers.error();
  const auto& header = headers->front();
  if (at<std::uint64_t>(header, offsetof(Header, magic)) != magic) return file->bad("it does not begin as one");
  if (const auto its = at<std::uint32_t>(header, offsetof(Header, version)); its != version)
    return file->bad(fmt::format("it has version {}, this program reads {}", its, version));
  const auto calls = at<std::uint32_t>(header, offsetof(Header, calls));
  const auto steps = at<std::uint32_t>(header, offsetof(Header, steps));
  const auto replays = at<std::uint32_t>(header, offsetof(Header, replays));
  if (replays > longest_ring || !std::has_single_bit(calls) || calls > longest_ring || (steps != 0 && !std::has_single_bit(steps)) ||
      steps > longest_ring || file->size() != file_bytes(calls, steps, replays))
    return file->bad("its sizes do not fit together");
  RecordedProcess process{.path = path};
  process.pid = static_cast<int>(at<std::uint32_t>(header, offsetof(Header, pid)));
  process.source = text_at(header, offsetof(Header, source), sizeof(Header::source));
  process.program = text_at(header, offsetof(Header, program), sizeof(Header::program));
  process.level = static_cast<int>(at<std::uint32_t>(header, offsetof(Header, level)));
  process.opened = at<std::uint64_t>(header, offsetof(Header, opened));
  process.opened_wall = at<std::uint64_t>(header, offsetof(Header, opened_wall));
  process.dropped = at<std::uint64_t>(header, offsetof(Header, dropped));
  process.not_counted = at<std::uint32_t>(header, offsetof(Header, captures_refused));
  process.replays_lost = at<std::uint64_t>(header, offsetof(Header, replays_lost));
  process.steps_lost = at<std::uint64_t>(header, offsetof(Header, steps_lost));
  process.ring = calls;
  process.state = state_of(at<std::uint32_t>(header, offsetof(Header, pid)), at<std::uint64_t>(header, offsetof(Header, process_start)),
                           at<std::uint32_t>(header, offsetof(Header, closed)) != 0);
  if (auto done = add_calls(*file, process, header, query.from); !done) return std::move(done).error();
  const auto in_graphs = std::min(at<std::uint32_t>(header, offsetof(Header, captured)), replays);
  if (auto done = add_replays(*file, process, replays_at(calls, steps), in_graphs); !done) return std::move(done).error();
  if (query.steps) {
    if (auto done = add_steps(*file, process, steps); !done) return std::move(done).error();
  }
  // After the calls: a communicator may be made while they are read, and be one of theirs.
  if (auto done = add_texts(*file, process); !done) return std::move(done).error();
  const auto of_none = [&](const RecordedCall& call) { return call.side >= process.sides.size(); };
  process.missed += std::erase_if(process.calls, of_none);
  process.replays.erase(std::ranges::find_if(process.replays, of_none, &RecordedReplays::call), process.replays.end());
  return process;
}

std::uint64_t monotonic_now() { return monitor::now(); }

}  // namespace p2plab
