// SPDX-License-Identifier: Apache-2.0
// A rank whose journal lies in this process's memory and is read by hand.
#pragma once

#include "journal/journal.h"

#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "p2plab/run/monitor.h"
#include "support/emulation/cpu_machine.h"
#include "support/scratch.h"

namespace p2plab {

using capi::Journal;
using monitor::CallInfo;
using monitor::Level;

class JournalOnTheHost final : public capi::JournalMemory {
 public:
  std::uint64_t address() const override { return reinterpret_cast<std::uint64_t>(memory_.data()); }
  Status read(Bytes from, Bytes size) const override {
    if (broken) return Error{ErrorCode::device_failure, "the GPU fell off the bus"};
    std::memcpy(copy_.data() + from.count(), memory_.data() + from.count(), static_cast<std::size_t>(size.count()));
    return {};
  }
  Status clear(Bytes from, Bytes size) const override {
    std::memset(memory_.data() + from.count(), 0, static_cast<std::size_t>(size.count()));
    return {};
  }
  const std::byte* bytes() const override { return copy_.data(); }
  // Its clock is this process's; where it is asked, 10 us later.
  std::optional<runtime::device::ClockLook> clock() override {
    if (!tells_time) return std::nullopt;
    const auto now = monotonic_now();
    return runtime::device::ClockLook{now, now + 10'000, now + 20'000};
  }
  bool broken = false;
  bool tells_time = false;

 private:
  mutable std::vector<std::byte> memory_ = std::vector<std::byte>(static_cast<std::size_t>(Journal::size(Level::steps).count()));
  mutable std::vector<std::byte> copy_ = std::vector<std::byte>(memory_.size());
};

// A rank whose journal is read by hand. `entries` is what a ring holds.
struct OneRank {
  explicit OneRank(Level level, std::uint32_t replays = 64, bool each = true)
      : recorder(monitor::Recorder::open(
            {.source = "p2plab", .level = level, .folder = folder.c_str(), .calls = 1U << 17, .steps = 1U << 10, .replays = replays})) {
    side = recorder->add_side({.communicator = 7, .rank = 1, .ranks = 2});
    auto made = std::make_unique<JournalOnTheHost>();
    memory = made.get();
    journal.emplace(*recorder, side, std::move(made), each);
  }
  // What a kernel of so long does.
  static void run(const CallJournal& given, std::uint64_t ns = 0) {
    const args::CallJournal place{given.counts, given.ring, given.name, given.mask};
    device::JournalMark<test::Cpu> mark(place);
    mark.begin(place);
    mark.add_up(place);
    for (const auto until = test::Cpu::now() + ns; test::Cpu::now() < until;) {
    }
    mark.end(place, place.name);
  }
  static runtime::Call call_of(std::uint64_t elements) { return {.type = DataType::float32, .count = static_cast<std::int64_t>(elements)}; }
  CallJournal capture(std::uint64_t elements, std::uint64_t capture = 11) { return this->capture(call_of(elements), capture); }
  CallJournal capture(const runtime::Call& call, std::uint64_t capture, std::uint16_t blocks = 1) {
    const auto elements = static_cast<std::uint64_t>(call.count);
    const CallInfo info{.count = elements, .kind = monitor::all_reduce, .type = 7, .flags = monitor::captured, .blocks = blocks};
    const auto number = recorder->begin(side, info);
    const auto place = journal->of_captured(capture, call);
    journal->keep(number, info, items);
    return place;
  }
  // The same with two blocks that each take two items.
  static void run_steps(const CallJournal& given, std::uint32_t number, std::uint64_t ns = 0) {
    using Notes = device::StepNotes<test::Cpu, true>;
    const args::CallJournal place{given.counts, given.ring, given.name, given.mask};
    device::JournalMark<test::Cpu> mark(place);
    mark.begin(place);
    mark.add_up(place);
    for (const std::uint32_t block : {0U, 1U}) {
      test::Cpu::place() = {block, 2};
      Notes notes(place, number);
      for (const std::uint32_t item : {0U, 1U}) {
        const auto note = notes.note(item);
        for (const auto until = test::Cpu::now() + ns; test::Cpu::now() < until;) {
        }
        notes.ready();
      }
      notes.close();
    }
    test::Cpu::place() = {};
    mark.end(place, Notes::name_of(place, number));
  }
  RecordedProcess record() const { return *read_records(recorder->path(), {.steps = true}); }

  std::string folder = test::scratch("records").parent_path().string();
  std::unique_ptr<monitor::Recorder> recorder;
  int side = -1;
  JournalOnTheHost* memory = nullptr;
  capi::SharedItems items;
  std::optional<Journal> journal;
};

}  // namespace p2plab
