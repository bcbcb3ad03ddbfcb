// SPDX-License-Identifier: Apache-2.0
// A plan over servers made ready on one rank's GPU: its workspace, the kernels of its segments, and its ends of the messages.
#pragma once

#include <memory>
#include <vector>

#include "cuda/run/run.h"
#include "p2plab/segments/segments.h"
#include "runtime/nccl_calls.h"
#include "stages/workspace.h"

namespace p2plab::cuda {

/// Where a rank is in a job over servers.
struct StagePlace {
  Rank rank;          // among all
  int server = 0;     // of the plan's machine
  Rank local;         // among those of its server
  Topology topology;  // of the server's ranks alone
  Routes routes;
  DeviceSet* devices;  // of the server's ranks
};

class StageRuns {
 public:
  /// All ranks of the server call it together. What is given must outlive it. Errors: those of GpuRun::create.
  static Result<std::unique_ptr<StageRuns>> create(const Job& job, const SegmentedProgram& cut, const StagePlace& place, const RunOptions& options,
                                                   SpecialKernels& kernels);

  /// Puts a whole call on `stream`: the caller's input into the workspace, all stages, and the output back.
  Status call(const DeviceBuffers& buffers, const runtime::NcclCalls& nccl, device::StreamHandle stream) const;
  /// As GpuRun::hang, of all segments.
  Status hang() const;
  /// "3 stages; slices with signals; 8 blocks of 512 threads".
  std::string describe() const;

 private:
  struct Stage {
    std::unique_ptr<Program> program;  // null: the server has nothing to do
    std::unique_ptr<GpuRun> run;
    std::vector<stages::Transfer> sends;
    std::vector<stages::Transfer> receives;
  };

  StageRuns(const SegmentedProgram& cut, const StagePlace& place) : cut_(cut), place_(place) {}
  Status make_workspace(const Job& job);
  Status make_segments(const Job& job, const RunOptions& options, SpecialKernels& kernels);
  void take_messages();
  std::uint64_t address(const MessageEnd& end) const;

  const SegmentedProgram& cut_;
  const StagePlace& place_;
  std::vector<stages::Workspace> workspaces_;
  DeviceMemory memory_;
  std::vector<Stage> stages_;
};

/// The form in which a program is cut for GPUs: a server's single rank adds and copies by many blocks, for no packets arrive inside it.
Tuning stage_tuning(const Tuning& tuning, const Servers& servers, Bytes payload);

}  // namespace p2plab::cuda
