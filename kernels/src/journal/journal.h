// SPDX-License-Identifier: Apache-2.0
// A rank's journal: memory of its GPU, in which the kernels of its calls write how long they took, and those in graphs how often they ran. A thread
// of this process reads it now and then and puts what it finds in the record. So replays are seen without a launch, a callback or a host that looks
// on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "lowered/kernel_args.h"
#include "monitor/recorder.h"
#include "p2plab/run/communicator.h"
#include "runtime/call.h"
#include "runtime/device_calls.h"

namespace p2plab::capi {

/// Memory that kernels write and this process reads beside them; zero at first.
class JournalMemory {
 public:
  JournalMemory() = default;
  virtual ~JournalMemory() = default;
  JournalMemory(const JournalMemory&) = delete;
  JournalMemory& operator=(const JournalMemory&) = delete;
  JournalMemory(JournalMemory&&) = delete;
  JournalMemory& operator=(JournalMemory&&) = delete;
  virtual std::uint64_t address() const = 0;
  /// Reads a part; then it is in `bytes`, at the same place.
  virtual Status read(Bytes from, Bytes size) const = 0;
  /// Makes a part zero again.
  virtual Status clear(Bytes from, Bytes size) const = 0;
  virtual const std::byte* bytes() const = 0;
  /// What the clock shows that kernels read; nothing if it cannot be asked now.
  virtual std::optional<runtime::device::ClockLook> clock() { return std::nullopt; }
};
/// Of a GPU, of Journal::size(level) bytes. Errors: device_failure.
Result<std::unique_ptr<JournalMemory>> journal_memory(int device, monitor::Level level);
/// What a program's notes of steps stand for, as long as anybody asks.
using SharedItems = std::shared_ptr<const NotedItems>;

/// Captures whose graphs are gone, as CUDA's own threads say.
class GraphsGone {
 public:
  void add(std::uint64_t capture) {
    const std::lock_guard lock(mutex_);
    captures_.push_back(capture);
  }
  std::vector<std::uint64_t> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(captures_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::uint64_t> captures_;
};

class Journal {
 public:
  static constexpr std::uint32_t entries = 1U << 16;   // calls that are kept until they are read
  static constexpr std::uint32_t captured = 1U << 15;  // calls in graphs, of one rank and of a process
  static constexpr Bytes size(monitor::Level level) {
    return Bytes{static_cast<std::int64_t>(counts_at(level) + captured * sizeof(args::CallCounts))};
  }
  /// `memory` is of that size. With `each` every call in a graph is noted by its kernel; else, of those alike in one graph, one in noted_one_in.
  Journal(monitor::Recorder& recorder, int side, std::unique_ptr<JournalMemory> memory, bool each = false);
  /// Its calls in graphs run no more: what they came to is read until others need their room in the record.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  Journal(Journal&&) = delete;
  Journal& operator=(Journal&&) = delete;

  /// Where the kernel of a call writes whose record has this number, from level detailed on.
  CallJournal of_call(std::uint64_t number);
  /// Where the kernel of a call that is being captured writes; all zero if there is no room, or if it follows another one of its graph. What is not
  /// kept the next one gets.
  CallJournal of_captured(std::uint64_t capture, const runtime::Call& asked);
  /// It was captured, as this record says.
  void keep(std::uint64_t number, const monitor::CallInfo& info, const SharedItems& items);
  /// It failed when some of its kernels may have been captured, which write there: nobody else may until their graph is gone.
  void give_up();
  /// Is there so little room for captured calls that it must be known when graphs are gone? A graph that tells takes 2.5 us more each time it runs.
  bool is_scarce() const;
  /// Where it is said which captures' graphs are gone: their places serve others after a while. May outlive this.
  std::shared_ptr<GraphsGone> gone() const { return gone_; }
  /// What of the call with this record was put on a stream, at level steps.
  void served(std::uint64_t number, const SharedItems& items);

  /// Reads what is new.
  void read();
  std::uint64_t failures() const { return failures_; }

 private:
  static constexpr std::uint32_t of_graph = args::journal_of_graph;  // in an entry's name: a captured call, else the low bits of a record's number
  static_assert(captured <= 1U << args::journal_replay_shift);
  static constexpr std::uint32_t none = captured;
  struct Captured {
    int recorded = -1;  // its number in the record
    std::uint64_t capture = 0;
    std::uint32_t follows = none;  // the place of a call before it, whose replays are known
    std::uint32_t before = none;   // and of one behind it, which has run no more often
    args::CallCounts seen = {};
    monitor::ReplayInfo known = {};
  };
  /// Calls of the graph that is being captured: of those alike the last one whose kernel notes it, and how many follow it.
  struct Alike {
    runtime::Call asked;
    monitor::CallInfo served;  // by which way
    std::uint32_t place = none;
    std::uint32_t followers = 0;
  };
  /// What the call that is being captured was offered.
  struct Offer {
    std::uint32_t place = none;  // none: there was no room
    std::uint64_t capture = 0;
    Alike* follows = nullptr;
    runtime::Call asked = {};
    monitor::CallInfo served = {};
  };
  static constexpr std::uint64_t entries_at() { return sizeof(args::JournalRing); }
  static constexpr std::uint64_t heads_at() { return entries_at() + entries * sizeof(args::JournalEntry); }
  static constexpr std::uint64_t steps_at() { return heads_at() + sizeof(args::StepHeads); }
  static constexpr std::uint64_t counts_at(monitor::Level level) {
    return level == monitor::Level::steps ? steps_at() + args::noted_steps * sizeof(args::StepEntry) : heads_at();
  }
  std::uint64_t counts_at() const { return counts_at(recorder_.level()); }
  /// A call whose steps may come.
  struct Timed {
    std::uint64_t call = 0;   // its record's number
    std::uint64_t begun = 0;  // by the device's clock
    int looks = 0;            // since it was known
  };
  template <class T>
  const T& at(std::uint64_t offset) const {
    return *reinterpret_cast<const T*>(memory_->bytes() + offset);
  }
  bool has_ring() const { return recorder_.level() >= monitor::Level::detailed; }
  Status read_entries();
  Status read_counts();
  Status free_places();
  Alike* to_follow(const runtime::Call& asked);
  void put(int recorded, const SharedItems& items);
  void read_runs(Captured& call, const args::CallCounts& counts);
  void follow(Captured& call) const;
  Status read_steps();
  void take(const args::JournalEntry& entry);
  bool take(const args::StepEntry& entry);
  SharedItems items_of(std::uint32_t name);
  std::uint64_t number_of(std::uint32_t name) const;
  void ask_clock();
  std::uint64_t by_host_clock(std::uint64_t device_time, std::uint64_t duration);
  std::uint64_t extended(std::uint64_t device_time);
  /// From one device time to another, of which only args::span_times is known.
  static std::int64_t between(std::uint64_t from, std::uint64_t to) {
    constexpr int unknown = 16;
    return static_cast<std::int64_t>((to - from) << unknown) >> unknown;
  }

  monitor::Recorder& recorder_;
  int side_;
  std::unique_ptr<JournalMemory> memory_;
  std::shared_ptr<GraphsGone> gone_ = std::make_shared<GraphsGone>();
  bool each_;
  mutable std::mutex places_;  // of captured calls: of what follows, up to followers_
  std::vector<Captured> captured_;
  std::uint32_t used_ = 0;           // of them, at least once
  std::vector<std::uint32_t> free_;  // of those, whose graphs are gone
  Offer offer_;
  std::uint64_t capture_ = 0;             // the latest
  std::vector<Alike> alike_;              // of that
  std::vector<std::uint32_t> followers_;  // of that, since the last call whose kernel notes it
  struct Leaving {
    std::uint64_t capture = 0;
    int looks = 0;
  };
  std::vector<Leaving> leaving_;               // what kernels wrote of them is still read
  std::atomic<std::uint64_t> latest_{0};       // number of a call's record
  std::uint32_t next_ = 0;                     // entry to be read
  std::vector<std::uint64_t> taken_;           // begins of what was read, by place: what is there again was not written yet
  std::optional<std::uint64_t> latest_begun_;  // of what was read; what began before that is of a lap that nobody read
  std::uint64_t device_seen_ = 0;              // the latest of its times that was noted
  int stuck_ = 0;                              // looks at an entry that is not there yet
  std::uint64_t failures_ = 0;
  std::int64_t clocks_ = 0;         // host's clock less the device's
  std::uint64_t clocks_known_ = 0;  // since when
  bool clocks_asked_ = false;       // the GPU was asked; else it is at most so
  int looks_ = 0;
  std::mutex items_mutex_;
  std::unordered_map<std::uint32_t, SharedItems> items_;  // by name: of captured calls, and of those that were put on streams lately
  std::vector<std::uint32_t> lately_;                     // names of the latter, in order
  std::unordered_map<std::uint32_t, Timed> timed_;        // by name, with the replay's number
  args::StepHeads noted_ = {};                            // notes that were there at the last look: what lies before them can be read
  args::StepHeads noted_taken_ = {};
  struct Waiting {
    args::StepEntry entry;
    int looks = 0;
  };
  std::vector<Waiting> waiting_;  // steps of calls whose end is not known yet
};

/// The thread that reads the journals of a process; it is there while there are any.
class JournalReader {
 public:
  static JournalReader& of_process();
  /// Of a rank on `device`.
  void add(Journal& journal, int device);
  /// After a last look.
  void remove(Journal& journal);
  /// Sees what kernels wrote until now.
  void look_now();

 private:
  void work(const std::stop_token& stop);
  void look();

  std::mutex mutex_;  // held while journals are read
  std::condition_variable_any changed_;
  std::vector<Journal*> journals_;
  std::jthread thread_;
  std::uint64_t asked_ = 0;  // looks, by others
  std::uint64_t seen_ = 0;   // of those
  bool closing_ = false;
  int process_ = 0;  // whose thread it is: a forked child has none
};

}  // namespace p2plab::capi
