// SPDX-License-Identifier: Apache-2.0
// A plan over servers made ready on one rank's GPU: its workspace, the kernels of its segments, and its ends of the messages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/carriers.h"
#include "p2plab/run/communicator.h"
#include "p2plab/segments/segments.h"
#include "stages/workspace.h"

namespace p2plab::runtime {

class StageRuns {
 public:
  /// Of this rank among all, on its GPU. The plan of `job` must outlive it; its program says payload and tuning. Errors: unsupported (workspaces_of),
  /// device_failure.
  static Result<std::unique_ptr<StageRuns>> create(const Job& job, SegmentedProgram cut, Rank rank, int device);
  /// Makes the segments ready in the communicator of the rank's server, which must outlive them. All its ranks call it together. Errors: those of
  /// Communicator::prepare_segment.
  Status prepare(const Job& job, Communicator& communicator, const KernelShape& shape);

  /// Where a buffer lies: the input is put there before a run, the output found there after it.
  std::uint64_t address(Buffer buffer) const { return address({rank_, buffer, 0}); }
  const RankMemory& memory() const { return cut_.memory[rank_.index()]; }
  /// Puts all stages on `stream`; `carriers` are of all ranks.
  Status run(const Carriers& carriers, void* stream) const;
  /// The parts of a stage by themselves; what a rank does not have of one is nothing.
  std::size_t stages() const { return stages_.size(); }
  Status run_segment(std::size_t stage, void* stream) const;
  Status exchange(std::size_t stage, const Carriers& carriers, void* stream) const;
  /// After the end of runs: device_failure if a kernel gave up waiting.
  Status state() const;
  /// "3 stages; simple; 8 blocks of 512 threads".
  std::string describe() const;

 private:
  struct Stage {
    std::unique_ptr<Program> program;    // null: the server has nothing to do
    std::optional<Operation> operation;  // of it
    std::vector<stages::Transfer> sends;
    std::vector<stages::Transfer> receives;
  };

  StageRuns(SegmentedProgram cut, Rank rank) : cut_(std::move(cut)), rank_(rank) {}
  const std::vector<Rank>& mates() const;
  std::size_t server() const { return static_cast<std::size_t>(cut_.servers.of[rank_.index()]); }
  Status make_workspace(const Job& job, int device);
  void take_messages();
  std::uint64_t address(const MessageEnd& end) const;

  SegmentedProgram cut_;
  Rank rank_;   // among all
  Rank local_;  // among the mates, the ranks of its server
  std::vector<stages::Workspace> workspaces_;
  std::shared_ptr<void> memory_;
  std::optional<Topology> topology_;  // of the mates alone
  std::vector<Stage> stages_;
};

}  // namespace p2plab::runtime
