// SPDX-License-Identifier: Apache-2.0
// What processes record of their collective calls (P2PLAB_MONITOR), read while they run or after they ended. Readers never hold a writer up.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

enum class CallProgress : std::uint8_t {
  running,
  done,
  failed,
  queued  // put on a stream; when it ends is not known to the host
};

/// A call of one rank. Times are ns of CLOCK_MONOTONIC, which a machine's processes share.
struct RecordedCall {
  std::uint64_t number = 0;    // in its process
  std::uint64_t sequence = 0;  // in its rank's communicator
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;         // 0: not yet
  std::uint64_t device_begun = 0;  // of the device's clock, 48 bits; 1: only the duration is known
  std::uint64_t device_time = 0;   // ns; 0: not measured
  std::uint64_t count = 0;
  Seconds predicted{0};  // 0: nothing was predicted
  Seconds low{0};
  Seconds high{0};
  std::uint32_t stream = 0;
  std::uint16_t side = 0;
  std::uint16_t blocks = 0;
  int root = -1;
  int peer = -1;
  CallProgress progress = CallProgress::running;
  std::uint8_t kind = 0;
  std::uint8_t type = 0;
  std::uint8_t op = 0;
  std::uint8_t backend = 0;
  std::uint8_t algorithm = 0;  // in RecordedProcess::names
  std::uint8_t protocol = 0;
  std::uint8_t reason = 0;
  bool captured = false;         // into a graph
  bool follows = false;          // there: another call of the graph, of the same form, says how often it ran and how long
  bool replayed = false;         // by a graph, told by the device: `sequence` counts such calls alone, and `begun` is when the device began
  std::uint64_t graph = 0;       // of a replayed one: its place in RecordedProcess::replays
  std::uint64_t replays = 1;     // that it stands for: from one look at a record to the next, where only counts are recorded; its time is their mean
  bool passed_on = false;        // by the shim, to NCCL
  bool recorded_inside = false;  // the shim's note of what libp2plab records itself

  /// The best measure of its time: the device's, else the host's of calls that it saw end; 0: not known.
  Seconds time() const;
};

struct RecordedSide {
  std::uint64_t communicator = 0;
  int rank = 0;
  int ranks = 1;
  int device = -1;         // by the numbers of its process, as CUDA_VISIBLE_DEVICES makes them
  std::string place = {};  // of the GPU, "0000:8a:00.0"; empty: not known
  std::string name = {};
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t closed = 0;  // when; 0: open
  std::array<std::uint64_t, 12> counts{};
  std::array<std::uint64_t, 12> bytes{};
};

struct RecordedEvent {
  std::uint64_t when = 0;
  std::uint32_t kind = 0;  // 0 error, 1 a lost link or GPU, 2 note, 3 a lost link beside others
  int side = -1;
  std::string text = {};
};

/// A call in a graph: `call` as it was captured, and what its replays came to, as the device counted them. Times are ns.
struct RecordedReplays {
  RecordedCall call = {};
  std::uint64_t capture = 0;  // tells captures apart
  std::uint64_t replays = 0;
  std::uint64_t sum = 0;
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::uint64_t last = 0;
  std::uint64_t begun = 0;  // the last one
};

struct RecordedStep {
  std::uint64_t call = 0;  // its number
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t waited = 0;  // ns of that, until what it needs was there; 0 also where nobody asks
  std::uint32_t step = 0;
  std::uint16_t lane = 0;
  std::uint16_t block = 0;
};

enum class ProcessState : std::uint8_t { running, stopped, gone, ended };

struct RecordedProcess {
  std::string path = {};
  int pid = 0;
  std::string source = {};
  std::string program = {};
  int level = 0;  // 1: basic, 2: detailed, 3: steps
  /// Is each replay of this captured call a call of its own, and not only counted?
  bool has_each_replay(const RecordedCall& captured) const { return level > 1 && !captured.follows; }
  std::uint64_t opened = 0;
  std::uint64_t opened_wall = 0;  // the same moment, ns since 1970
  ProcessState state = ProcessState::running;
  std::vector<RecordedSide> sides = {};
  std::vector<std::string> names = {};  // the first is empty
  std::vector<RecordedEvent> events = {};
  std::vector<RecordedCall> calls = {};  // from the one asked for
  std::vector<RecordedStep> steps = {};
  std::vector<RecordedReplays> replays = {};  // all captured calls that are counted
  std::vector<RecordedCall> counted = {};  // what came of them from look to look, where they are no calls of their own: who follows a record adds it
  std::uint64_t not_counted = 0;           // captured calls beyond those that there was room for: their replays are seen by nobody
  std::uint64_t replays_lost = 0;          // replays that are counted, but are no calls of their own
  std::uint64_t steps_lost = 0;            // that kernels noted and nobody read in time
  std::uint64_t next = 0;                  // number of the next call
  std::uint64_t overwritten = 0;           // calls from the one asked for that were overwritten before they were read
  std::uint64_t missed = 0;                // of those that were read, calls that were never written
  std::uint64_t dropped = 0;               // calls and steps of all time that were never written: a slower thread was still at their place
  std::uint64_t ring = 0;                  // how many calls the file holds

  const std::string& name_of(std::uint8_t number) const { return names[number < names.size() ? number : 0]; }
};

struct RecordQuery {
  std::uint64_t from = 0;  // the first call wanted
  bool steps = false;
};

/// A record file as it is now. What is still being written ends the calls that are returned; the next query takes it up. Errors: io; invalid_input,
/// if the file is no such record, or is of another user than the caller and root.
Result<RecordedProcess> read_records(const std::string& path, const RecordQuery& query = {});

/// The record files in a folder, by name. Errors: io.
Result<std::vector<std::string>> record_files(const std::string& folder);
/// P2PLAB_MONITOR_DIR, else /dev/shm.
std::string usual_record_folder();
/// ns of CLOCK_MONOTONIC.
std::uint64_t monotonic_now();

/// What recording costs and keeps on this machine, measured.
struct RecordingCheck {
  double call_ns = 0;         // of a call's begin, facts and end on one thread, of its own time: the median of rounds
  double steps_ns = 0;        // of a step
  std::uint64_t written = 0;  // calls by all threads, each with a communicator of its own, while a reader reads
  double written_per_second = 0;
  std::uint64_t read = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t missed = 0;  // never written: a slower thread was still at their place
  std::uint64_t wrong = 0;   // read, but not what was written
  double time_error = 0;     // of the recorded times of calls whose length is known, the median, as a share
  std::uint64_t file_bytes = 0;
  std::uint64_t ring = 0;
  std::uint64_t call_bytes = 0;  // in the record

  /// Calls at a given pace by all threads, while several readers follow.
  struct Paced {
    std::uint64_t written = 0;
    double per_second = 0;
    std::uint64_t unread = 0;  // by the reader that read least
    std::uint64_t wrong = 0;   // by all of them
  };
  Paced paced = {};
  /// A day at that pace, of which every hour's last two rings are really written.
  struct Day {
    std::uint64_t calls = 0;
    std::uint64_t wrong = 0;       // of those that the ring should hold
    std::uint64_t unsaid = 0;      // neither read nor said to be overwritten
    std::int64_t file_grew = 0;    // bytes
    std::int64_t memory_grew = 0;  // while it wrote
  };
  Day day = {};
};
struct RecordingCheckOptions {
  int threads = 8;
  std::uint64_t calls = 200'000;  // of each thread, and of a round
  std::uint64_t pace = 10'000;    // calls a second, of all threads
  Seconds paced{2};
  int readers = 3;
};
/// Errors: io, if no record can be made.
Result<RecordingCheck> check_recording(const RecordingCheckOptions& options = {});

/// Words for what a record holds: "all_reduce", "bfloat16", "sum", "nccl".
std::string_view kind_word(std::uint8_t kind);
std::string_view type_word(std::uint8_t type);
std::string_view op_word(std::uint8_t op);
std::string_view backend_word(std::uint8_t backend);
/// 0: not known.
int bytes_of_type(std::uint8_t type);
/// "3", "token" (a rank says that it has begun), "epilogue" (a row after its sum).
std::string step_word(std::uint32_t step);

}  // namespace p2plab
