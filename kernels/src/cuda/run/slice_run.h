// SPDX-License-Identifier: Apache-2.0
// Runs slice by slice on thread blocks.
#pragma once

#include "cuda/run/sliced_run.h"
#include "lowered/launch.h"

namespace p2plab::cuda {

class SliceRun final : public SlicedRun {
 public:
  SliceRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, DeviceSet& device_set);

  std::string describe() const override;

 private:
  Status prepare() override;
  Status launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const override;
  Status choose_shape();
  Status choose_bulk(int blocks);
  bool is_aligned() const;

  KernelShape shape_;
  device::KernelChoice choice_;
};

}  // namespace p2plab::cuda
