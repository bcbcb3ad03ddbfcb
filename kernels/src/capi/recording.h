// SPDX-License-Identifier: Apache-2.0
// Records a rank's calls where P2PLAB_MONITOR asks for it: what was asked, what served it, and, from level detailed on, how long the device took,
// which its kernels write in a journal. Of calls in graphs the journal counts the replays at every level.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "journal/journal.h"
#include "monitor/recorder.h"
#include "p2plab/c/p2plab.h"
#include "runtime/engine.h"

namespace p2plab::capi {

/// What this process records to, if a communicator was made that is recorded; else null.
monitor::Recorder* recorder_of_process();

class CallRecording {
 public:
  struct Place {
    std::uint64_t communicator = 0;
    int rank = 0;
    int ranks = 1;
    int device = 0;
  };
  /// Are this process's calls to be recorded? And their steps?
  static bool wanted();
  static bool steps_wanted();
  /// Null: nothing is to be recorded.
  static std::unique_ptr<CallRecording> of(const Place& place);
  ~CallRecording();
  CallRecording(const CallRecording&) = delete;
  CallRecording& operator=(const CallRecording&) = delete;
  CallRecording(CallRecording&&) = delete;
  CallRecording& operator=(CallRecording&&) = delete;

  struct Asked {
    runtime::Call call;
    p2plab_call given;  // the same in the caller's numbers
    DeviceBuffers buffers;
    void* stream = nullptr;
  };
  /// Runs a call and records it.
  Result<bool> run(runtime::Engine& engine, const Asked& asked);
  /// Writes what was lost of the machine as an event; may outlive this.
  std::function<void(const runtime::MachineLoss&)> teller() const;
  /// An error that a call or a question found: once for each text. Waits for no call.
  void note(const Error& error);

 private:
  CallRecording(monitor::Recorder& recorder, const Place& place, int side) : recorder_(recorder), place_(place), side_(side) {}
  monitor::CallInfo full_info(const runtime::ServedBy& by, const Asked& asked, monitor::CallInfo info);
  SharedItems items_of(const runtime::ServedBy& by) const;

  monitor::Recorder& recorder_;
  Place place_;
  int side_;
  std::mutex mutex_;  // of what follows, and of the order of the rank's calls
  std::unique_ptr<Journal> journal_ = nullptr;
  std::uint64_t watched_ = 0;  // the capture whose graph's end is told last
  struct Known {
    monitor::CallInfo info = {};
    SharedItems items = nullptr;  // at level steps
  };
  std::map<const runtime::ReadyProgram*, Known> infos_ = {};
  std::mutex noting_;  // of what follows
  std::string noted_ = {};
};

}  // namespace p2plab::capi
