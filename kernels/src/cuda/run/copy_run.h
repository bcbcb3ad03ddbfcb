// SPDX-License-Identifier: Apache-2.0
// Runs slice by slice on copy engines: a stream for each block of each lane, in which copies stand between kernels that wait for flags and raise
// them. No multiprocessor moves data.
#pragma once

#include "cuda/run/sliced_run.h"

namespace p2plab::cuda {

class CopyRun final : public SlicedRun {
 public:
  CopyRun(const Job& job, const RunBuffers& buffers, DeviceSet& device_set) : SlicedRun(job, buffers, device_set) {}

  std::string describe() const override;

 private:
  struct RankEngines {
    std::vector<Stream> streams;  // for each block of each lane
    std::vector<Event> ended;
    Event begun;
  };

  Status prepare() override;
  Status launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const override;
  Status make_streams(std::size_t rank);
  Status enqueue(const RankSlices& state, std::uint32_t block, std::uint32_t number, const Stream& stream) const;

  std::vector<RankEngines> engines_;
};

}  // namespace p2plab::cuda
