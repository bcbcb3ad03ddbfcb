// SPDX-License-Identifier: Apache-2.0
// A call of ranks on several servers, by stages: any addresses, in place or not, and counts up to the one that the program is for. Where servers have
// several ranks, a large call goes in slices, so that one is on the network while another is within the servers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/device_calls.h"
#include "runtime/gpu_programs.h"
#include "runtime/stage_runs.h"

namespace p2plab::runtime {

class StagedProgram final : public ReadyProgram {
 public:
  /// Plans, proves and cuts, and takes the rank's memory. Errors: those of planning and cutting; unsupported, for a call with an epilogue.
  static Result<std::unique_ptr<StagedProgram>> create(const Call& call, int ranks, int rank, int device, const Carriers& carriers,
                                                       const PlanSource& plans, int most_blocks);
  /// All ranks of a server do so together, in the communicator of their server.
  Status prepare(Communicator& communicator, int most_blocks);

  Status run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const override;
  Status state() const override;
  std::string describe() const override;
  ProgramInfo info() const override;
  bool keeps_journal() const override { return false; }

 private:
  // These elements of each block of the call.
  struct Slice {
    std::int64_t first = 0;
    std::int64_t count = 0;
    Program program = {};  // its payload and tuning; what runs is cut
    std::unique_ptr<StageRuns> runs = nullptr;
    device::Order inside = {};  // where its last segment has ended
    device::Order across = {};  // where its last messages have arrived
  };

  StagedProgram(const Call& call, int ranks, const Carriers& carriers, ChosenPlan chosen)
      : call_(call), ranks_(ranks), carriers_(carriers), chosen_(std::move(chosen)) {}
  Result<SegmentedProgram> cut_into(int most_blocks, const Payload& payload, Tuning tuning) const;
  Status add_slice(std::int64_t first, std::int64_t count, int rank, int device, int most_blocks);
  Status move(const Slice& slice, int rank, const Call& exact, const DeviceBuffers& buffers, Buffer which, void* stream) const;
  Status run_overlapped(void* stream) const;
  Status segments_of(std::size_t wave, void* stream) const;
  Status messages_of(std::size_t wave) const;

  Call call_;
  int ranks_;
  const Carriers& carriers_;
  ChosenPlan chosen_;
  std::vector<Slice> slices_;
  std::shared_ptr<void> network_ = nullptr;  // the stream of messages, where there are several slices
};

/// Slices in which a call goes: one, unless servers have several ranks and the payload is large; at most `most`.
std::int64_t slices_of(const Call& call, const Servers& servers, std::int64_t most);

}  // namespace p2plab::runtime
