// SPDX-License-Identifier: Apache-2.0
#include "p2plab/c/recorded.h"

#include <algorithm>
#include <cstring>

#include "capi/answer.h"
#include "journal/journal.h"
#include "p2plab/run/monitor.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

constexpr std::uint64_t no_calls = std::uint64_t{1} << 62;
constexpr double us_of_second = 1e6;
constexpr double us_of_ns = 1e-3;

template <std::size_t N>
void copy_word(char (&to)[N], std::string_view from) {
  const auto length = std::min(from.size(), N - 1);
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

p2plab_recorded recorded_of(const RecordedProcess& process, const RecordedCall& call) {
  constexpr std::uint8_t kinds = 9;
  constexpr std::uint8_t none = 255;
  const auto& side = process.sides.at(call.side);
  p2plab_recorded to{};
  to.number = call.number;
  to.communicator = side.communicator;
  to.sequence = call.sequence;
  to.count = call.count;
  to.begun_ns = call.begun;
  to.time_us = call.time().count() * us_of_second;
  to.predicted_us = call.predicted.count() * us_of_second;
  to.low_us = call.low.count() * us_of_second;
  to.high_us = call.high.count() * us_of_second;
  to.replays = call.replayed ? 1 : 0;
  to.rank = side.rank;
  to.ranks = side.ranks;
  to.kind = call.kind < kinds ? call.kind : -1;
  to.type = call.type != none ? call.type : -1;
  to.op = call.op != none ? call.op : -1;
  to.captured = call.captured ? 1 : 0;
  to.replayed = call.replayed ? 1 : 0;
  to.failed = call.progress == CallProgress::failed ? 1 : 0;
  copy_word(to.algorithm, process.name_of(call.algorithm));
  copy_word(to.protocol, process.name_of(call.protocol));
  copy_word(to.backend, backend_word(call.backend));
  return to;
}

// A caller of an earlier interface knows a shorter struct, one of a later interface a longer one.
void give(p2plab_recorded* calls, std::size_t size, std::size_t index, const p2plab_recorded& what) {
  auto* const to = reinterpret_cast<char*>(calls) + index * size;
  std::memset(to, 0, size);
  std::memcpy(to, &what, std::min(size, sizeof what));
}

Result<RecordedProcess> record_of_process(std::uint64_t from) {
  const auto* const all = recorder_of_process();
  if (all == nullptr) return Error{ErrorCode::unsupported, "nothing is recorded: set P2PLAB_MONITOR before the first communicator is made"};
  if (!all->of_this_process()) return Error{ErrorCode::unsupported, "nothing is recorded in a process that was forked"};
  JournalReader::of_process().look_now();
  return read_records(all->path(), {.from = from});
}

p2plab_result check_room(const void* calls, std::size_t size, std::size_t room) {
  if (calls == nullptr && room > 0) return invalid("no place for the calls");
  return size < sizeof(std::uint64_t) || size % alignof(p2plab_recorded) != 0 ? invalid("the size is not that of p2plab_recorded") : P2PLAB_OK;
}

}  // namespace

extern "C" {

p2plab_result p2plab_recorded_calls(uint64_t* next, p2plab_recorded* calls, size_t size, size_t room, size_t* given, uint64_t* lost) {
  return guarded([&] {
    if (next == nullptr || given == nullptr || lost == nullptr) return invalid("no place for the numbers");
    if (const auto good = check_room(calls, size, room); good != P2PLAB_OK) return good;
    *given = 0;
    *lost = 0;
    const auto from = *next;
    const auto process = record_of_process(room == 0 ? no_calls : from);
    if (!process) return failed(process.error());
    *next = room > 0 && process->calls.size() > room ? process->calls[room].number : process->next;
    if (room == 0) return P2PLAB_OK;
    for (; *given < std::min(room, process->calls.size()); ++*given) give(calls, size, *given, recorded_of(*process, process->calls[*given]));
    // Not what is missing behind those that were given: it is asked for again.
    *lost = *next > from + *given ? *next - from - *given : 0;
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_recorded_replays(p2plab_recorded* calls, size_t size, size_t room, size_t* all) {
  return guarded([&] {
    if (all == nullptr) return invalid("no place for the number");
    if (const auto good = check_room(calls, size, room); good != P2PLAB_OK) return good;
    const auto process = record_of_process(no_calls);
    if (!process) return failed(process.error());
    *all = process->replays.size();
    for (std::size_t i = 0; i < std::min(room, *all); ++i) {
      const auto& each = process->replays[i];
      auto to = recorded_of(*process, each.call);
      to.number = i;
      to.begun_ns = each.begun;
      to.time_us = static_cast<double>(each.last) * us_of_ns;
      to.replays = each.replays;
      to.sum_us = static_cast<double>(each.sum) * us_of_ns;
      to.least_us = static_cast<double>(each.least) * us_of_ns;
      to.most_us = static_cast<double>(each.most) * us_of_ns;
      give(calls, size, i, to);
    }
    return P2PLAB_OK;
  });
}

}  // extern "C"
