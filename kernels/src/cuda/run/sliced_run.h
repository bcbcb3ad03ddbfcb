// SPDX-License-Identifier: Apache-2.0
// What runs slice by slice share: a rank's lanes with their flags, in the memory of its GPU.
#pragma once

#include "cuda/run/run.h"
#include "lowered/linked_slices.h"

namespace p2plab::cuda {

/// Slices are moved by thread blocks (SliceRun) or copy engines (CopyRun); flags and order are the same.
class SlicedRun : public GpuRun {
 public:
  NotedItems noted(Rank rank) const override;
  std::vector<Arrival> arrivals() const override;

 protected:
  using GpuRun::GpuRun;

  /// What the run holds for one rank.
  struct RankSlices {
    Arena::Region tables_memory;
    LinkedSlices linked;
    args::SliceCall call;
    std::uint32_t blocks = 1;
  };

  Needs needs() const override { return {.flags = flag_bytes(program_)}; }
  Status place_own(std::size_t rank) override { return use() == BufferUse::staged ? place_staging(rank) : Status{}; }
  bool shares_buffers() const override { return true; }
  std::string describe_wait(std::size_t rank, const args::HangReport& report) const override;

  /// Links all ranks that live here, once their memory is known.
  Status link();

  std::vector<RankSlices> ranks_;

 private:
  Status link_rank(std::size_t rank);
};

}  // namespace p2plab::cuda
