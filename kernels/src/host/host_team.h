// SPDX-License-Identifier: Apache-2.0
// A fixed team of threads that runs a program again and again, or one rank's share of it.
#pragma once

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "host/host_block.h"

namespace p2plab {

struct TeamOptions {
  int threads = 1;
  std::optional<Rank> only = std::nullopt;  // the other ranks' lanes run in other processes
  const std::atomic<bool>* stop = nullptr;  // ends a run early
  Seconds timeout{0};                       // end a run in which nothing moves anywhere for so long; zero: only one that can be proved to stand still
};

/// A slice that a team has moved; times are ns of CLOCK_MONOTONIC.
struct MovedSlice {
  LaneId lane;
  std::size_t part = 0;
  std::uint32_t instruction = 0;  // of the lane
  StepId step;
  std::int64_t slice = 0;
  std::uint64_t waited_since = 0;  // when the one before it was done, or the run began
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
};

class HostTeam {
 public:
  HostTeam(const Program& program, const HostMemory& memory, ProgressBoard& board, const TeamOptions& options);
  ~HostTeam();
  HostTeam(const HostTeam&) = delete;
  HostTeam& operator=(const HostTeam&) = delete;
  HostTeam(HostTeam&&) = delete;
  HostTeam& operator=(HostTeam&&) = delete;

  /// From now on it is told of each slice, by the threads that move them; empty: no longer.
  void tell(std::function<void(const MovedSlice&)> told) { told_ = std::move(told); }
  /// Takes the progress of the team's own blocks back to the start.
  void reset();
  /// One run; the calling thread only watches. The time is from all workers ready to the last one done. Error device_failure if the waits can never
  /// be satisfied, or were not for too long: names rank, lane, part and step and what is waited for; interrupted if it was told to stop.
  Result<Seconds> run();

 private:
  using HostClock = std::chrono::steady_clock;
  class Mover;
  struct Stamp {
    HostClock::time_point* when;
    void operator()() noexcept { *when = HostClock::now(); }
  };

  void work(std::size_t worker);
  void advance_all(std::size_t worker);
  bool advance(std::size_t number, Mover& mover, bool& moved);
  std::optional<Error> watch();
  std::optional<Error> find_stall();
  Error describe_stall(std::size_t number, const std::string& why) const;

  const Program& program_;
  const HostMemory& memory_;
  ProgressBoard& board_;
  TeamOptions options_;
  std::function<void(const MovedSlice&)> told_;  // written before the barrier, read after it
  std::vector<std::uint64_t> last_moved_;        // when, by block, if anybody is told
  std::vector<std::size_t> blocks_;              // that this team runs
  std::size_t size_;
  std::vector<SliceProgress> last_seen_;  // of all blocks, and since when
  HostClock::time_point last_change_;
  HostClock::time_point started_;
  HostClock::time_point ended_;
  std::barrier<Stamp> start_;
  std::atomic<bool> abort_{false};
  bool quit_ = false;  // written before the barrier, read after it
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t running_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace p2plab
