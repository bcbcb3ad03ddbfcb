// SPDX-License-Identifier: Apache-2.0
// Which program serves a call, decided alike on all ranks without their waiting for each other: programs are made by a thread of their own, and from
// which call on one is used is agreed before any rank has come so far.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "p2plab/run/communicator.h"
#include "p2plab/run/processes.h"
#include "runtime/call.h"

namespace p2plab::runtime {

/// How long a call should take, and where that lies if nothing is wrong; all zero: nobody knows.
struct ExpectedTime {
  Seconds time{0};
  Seconds low{0};
  Seconds high{0};
};

/// What a program is, for those who report it.
struct ProgramInfo {
  std::string planner = {};
  std::string_view protocol = {};
  int blocks = 0;
  std::int64_t count = 0;      // of the call that it was made for
  ExpectedTime expected = {};  // for that call, as a table says
};

/// A program made ready, for the ranks of this process.
class ReadyProgram {
 public:
  virtual ~ReadyProgram() = default;
  /// Puts a call of `rank` on its stream: any addresses; `exact` is the call as it is, not longer than the one that the program was made for.
  virtual Status run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const = 0;
  virtual Status state() const = 0;
  virtual std::string describe() const = 0;
  virtual ProgramInfo info() const { return {}; }
  /// Do its kernels write into a call's journal?
  virtual bool keeps_journal() const { return true; }
  /// What its kernels note of their steps, on a rank of this process.
  virtual NotedItems noted(int /*rank*/) const { return {}; }
};

/// Makes programs; of several processes, all do so together, in one order.
class ProgramMaker {
 public:
  virtual ~ProgramMaker() = default;
  virtual Result<std::unique_ptr<ReadyProgram>> make(const Call& call) = 0;
  /// In `make`'s stead where this rank wants no more programs: makes nothing, and takes part in what ranks do together, so that others' `make` of the
  /// same ends in `why`.
  virtual void decline(const Call& call, const Error& why) = 0;
  /// Called first by the thread that will make programs.
  virtual void enter_thread() {}
};

struct AgreementOptions {
  std::vector<int> ranks_here = {0};
  int sightings = 2;       // calls of a kind after which a program is made for it
  std::size_t most = 512;  // programs; no further ones are made by themselves
  Bytes most_bytes{
      std::int64_t{1} << 30};  // of a rank's parts of the calls that programs are made for by themselves: what they hold is a few times that
  Seconds timeout{60};         // how long a call may wait for its program
  std::function<void(const Call&, const Error&)> refused = {};  // told of each program that cannot be made, by the thread that makes them
};

class AgreedPrograms {
 public:
  /// `session` is null where all ranks live in this process. From now on only these programs use it.
  AgreedPrograms(Session* session, ProgramMaker& maker, AgreementOptions options);
  /// Ends its thread, after what that is making.
  ~AgreedPrograms();
  AgreedPrograms(const AgreedPrograms&) = delete;
  AgreedPrograms& operator=(const AgreedPrograms&) = delete;
  AgreedPrograms(AgreedPrograms&&) = delete;
  AgreedPrograms& operator=(AgreedPrograms&&) = delete;

  /// What serves the next call of a rank: the program for just this call, else the one for `wider`, else none. `wait`: as long as there is none, the
  /// call waits until one is made. All of it is the same on all ranks. Errors: why the program that was waited for cannot be made.
  Result<const ReadyProgram*> next(int rank, const Call& call, const std::optional<Call>& wider, bool wait);

  /// A rank has made these calls already, which others served: they are counted and seen as if they had come here. Before the rank's first `next`.
  void count(int rank, std::span<const Call> calls);

  /// Makes a program ready, and waits for it; all ranks do so between the same two calls. Errors: why it cannot be made, the same on all ranks.
  Status prepare(const Call& call);
  /// Asks for one without waiting.
  void want(const Call& call);

  /// Waits for what is being made, declines all else that was asked for, and makes no more. All ranks do so after the same calls.
  void finish();
  /// Success, or why no more programs are made.
  Status state() const;
  /// Of a call, now: "ready", "being made", "asked for", or why not.
  std::string describe(const Call& call) const;
  std::size_t size() const;
  /// The first that failed on the GPUs.
  Status failed() const;

 private:
  enum class Stage { seen, queued, agreeing, ready, refused };
  struct Entry {
    Stage stage = Stage::seen;
    std::map<int, int> sightings = {};  // by rank
    std::unique_ptr<ReadyProgram> program = nullptr;
    std::uint64_t from = 0;  // the number of the first call that may use it
    std::optional<Error> refusal = std::nullopt;
  };
  using Lock = std::unique_lock<std::mutex>;

  void work();
  void stop();
  void make_ready(const Call& call, bool declined);
  Status agree_on_start(Entry& entry);
  std::uint64_t most_calls() const;
  void refuse(Entry& entry, Error why);
  Entry& queue(const Call& call);
  void see(Entry& entry, int rank, const Call& call, bool must);
  bool has_room_for(const Call& call) const;
  const ReadyProgram* usable(Lock& lock, const Call& call, std::uint64_t number);
  bool wait_for(Lock& lock, const Entry& entry);

  Session* session_;
  ProgramMaker& maker_;
  AgreementOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Call, Entry> entries_;
  std::deque<Call> wanted_;
  std::size_t queued_ = 0;              // all that were ever wanted
  std::int64_t wanted_bytes_ = 0;       // of those
  std::map<int, std::uint64_t> calls_;  // begun, by rank
  bool busy_ = false;
  bool stopping_ = false;
  bool finishing_ = false;
  Status state_;
  std::thread worker_;
};

}  // namespace p2plab::runtime
