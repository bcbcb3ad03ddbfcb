// SPDX-License-Identifier: Apache-2.0
// Writes what layout.h lays out. Needs nothing but libc and atomics, throws nothing, and never waits: a slot that a slower thread still writes is
// left out and counted.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "monitor/layout.h"

namespace p2plab::monitor {

struct RecorderOptions {
  const char* source = "p2plab";
  Level level = Level::basic;
  const char* folder = nullptr;  // nullptr: /dev/shm; the file then goes when the process ends in order
  std::uint32_t calls = 1U << 16;
  std::uint32_t steps = 1U << 16;  // of level steps
  std::uint32_t replays = 0;       // calls in graphs that are counted
  int part = -1;                   // tells several recorders of one process apart, as does
  int time = 0;                    // how many there were before
};

struct SideInfo {
  std::uint64_t communicator = 0;
  int rank = 0;
  int ranks = 1;
  int device = -1;          // by its process's numbers
  std::uint32_t place = 0;  // gpu_place.h
  const char* name = "";
};

struct CallInfo {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;  // of one rank's part
  Kind kind = other_kind;
  std::uint8_t type = 255;
  std::uint8_t op = 255;
  Backend backend = Backend::unknown;
  std::uint8_t algorithm = 0;  // names
  std::uint8_t protocol = 0;
  std::uint8_t reason = 0;
  std::uint8_t flags = 0;
  std::int16_t root = -1;
  std::int16_t peer = -1;
  std::uint16_t blocks = 0;
  std::uint32_t stream = 0;
  float predicted = 0;  // seconds; 0: nothing was predicted
  float low = 0;
  float high = 0;
};

/// Who begins and ends calls of a side: threads that come as they like, or one at a time, which needs no locked instruction to count them.
enum class Writers : std::uint8_t { any, one };

struct StepInfo {
  std::uint64_t call = 0;
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint32_t waited = 0;  // ns of that, for what the step needs
  std::uint32_t step = 0;
  std::uint16_t lane = 0;
  std::uint16_t block = 0;
};

/// What the replays of a call in a graph came to; ns.
struct ReplayInfo {
  std::uint64_t replays = 0;
  std::uint64_t sum = 0;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  std::uint32_t last = 0;
  std::uint64_t begun = 0;  // the last one, CLOCK_MONOTONIC
};

/// What a variable says: the environment, else a settings file.
using Lookup = const char* (*)(const char* variable);
/// P2PLAB_MONITOR_DIR; nullptr if it is not set, or empty.
const char* folder_by(Lookup lookup);
/// ns of CLOCK_MONOTONIC.
std::uint64_t now();
/// 32 bits that tell streams apart.
inline std::uint32_t short_of(const void* stream) {
  const auto value = reinterpret_cast<std::uintptr_t>(stream);
  return static_cast<std::uint32_t>(value >> 4 ^ value >> 36);
}
/// Cut to the room that there is, with its zero byte.
void copy_text(char* to, std::size_t size, const char* from);
/// A communicator's number from what all its ranks know (FNV-1a).
std::uint64_t number_of(const void* bytes, std::size_t size);

class Recorder {
 public:
  /// Null if nothing is to be recorded, or the file cannot be made: then stderr says why.
  static std::unique_ptr<Recorder> open(const RecorderOptions& options) noexcept;
  /// The same by P2PLAB_MONITOR and P2PLAB_MONITOR_DIR; what is wrong with the level goes to stderr, and nothing is recorded. A forked child's copy
  /// writes to nobody.
  static std::unique_ptr<Recorder> of_lookup(const char* source, Lookup lookup, int part = -1, int time = 0) noexcept;
  /// The same, one for this library in this process, made when it is first asked for; `unset` is the level where P2PLAB_MONITOR is not set. Closed
  /// when the process ends, but never freed: threads and static objects may still call.
  static Recorder* of_process(const char* source, Lookup lookup, Level unset = Level::off, std::uint32_t replays = 0) noexcept;
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  Recorder(Recorder&&) = delete;
  Recorder& operator=(Recorder&&) = delete;

  /// The process ends in order; others of its threads may still write.
  void close();

  Level level() const { return level_; }
  /// Not in a forked child, whose calls are recorded by nobody.
  bool of_this_process() const { return ours(); }
  const char* path() const { return path_; }

  /// -1: there are too many; the file counts those.
  int add_side(const SideInfo& info);
  void close_side(int side);
  /// The number of a text, 0 for an empty one or when there is no room; few and seldom new.
  std::uint8_t name(const char* text);

  /// A call begins: its number + 1, or 0 if it was left out.
  std::uint64_t begin(int side, const CallInfo& info, Writers writers = Writers::any);
  void end(std::uint64_t call, Progress how);
  /// What serves a call, which is known only once it was begun; `kind`, `type` and `op` stay.
  void served(std::uint64_t call, const CallInfo& info);
  /// The same of a call that its host is done with, and how, by the side's one writer; when that was is not asked.
  void put(std::uint64_t call, const CallInfo& info, Progress how);
  /// Of that only algorithm, protocol and blocks.
  void add_info(std::uint64_t call, const CallInfo& info);
  /// From and to when the device worked at it, by the device's clock in ns; may be told in parts.
  void device_begin(std::uint64_t call, std::uint64_t when);
  void device_end(std::uint64_t call, std::uint64_t when);
  /// A duration by the device's events.
  void device_time(std::uint64_t call, std::uint64_t duration);
  bool device_has_begun(std::uint64_t call) const;
  /// What the device's times of a call came to so far; 0: not known.
  std::uint64_t device_ns(std::uint64_t call) const;
  /// A call that was captured, as record number `call` says, and is counted from now on: its number among those, or -1 if there is no room, which the
  /// file counts.
  int add_captured(std::uint64_t call, std::uint64_t capture, const CallInfo& info);
  void refuse_captured();
  /// Are more than half of the places for captured calls taken?
  bool captured_are_many() const;
  /// Its graph is gone: what it came to is read until there is room for no other one.
  void release_captured(int which);
  void replays(int which, const ReplayInfo& info);
  /// One replay of a captured call, -1: of one that is not counted, as a call of its own that is queued: its number + 1, or 0. Its device times come
  /// later, as any call's. How it is done, which may be known only now, is said of the captured call, too.
  std::uint64_t begin_replay(int side, int which, const CallInfo& info);
  /// One replay, as a call of its own that took so long: its number + 1, or 0.
  std::uint64_t replayed(int which, std::uint64_t begun, std::uint64_t ns);
  void lose_replays(std::uint64_t count);
  void step(const StepInfo& info);
  /// Steps that were noted and overwritten before anybody looked.
  void lose_steps(std::uint64_t count);
  /// When a call began, CLOCK_MONOTONIC; 0: it was overwritten.
  std::uint64_t begun(std::uint64_t call) const;
  void event(EventKind kind, int side, const char* text);

 private:
  Recorder() = default;
  bool map(const RecorderOptions& options);
  bool ours() const { return *alive_ != 0; }
  CallSlot* at(std::uint64_t call, std::uint64_t& lap) const;
  CallSlot* claim(std::uint64_t& index) const;
  int take_released();
  template <class Slot>
  static void write_info(Slot& call, int side, const CallInfo& info);
  template <class T>
  T* part(std::size_t offset) const {
    return reinterpret_cast<T*>(memory_ + offset);
  }

  unsigned char* memory_ = nullptr;
  volatile int* alive_ = nullptr;  // in a page that is zero in forked children, whose calls are no calls of this process
  std::size_t size_ = 0;
  std::uint32_t calls_ = 0;
  std::uint32_t steps_ = 0;
  std::uint32_t replays_ = 0;
  std::atomic<std::uint32_t> released_{0};  // where one of those may be found
  Level level_ = Level::off;
  bool kept_ = false;
  int pid_ = 0;
  char path_[256] = {};
};

}  // namespace p2plab::monitor
