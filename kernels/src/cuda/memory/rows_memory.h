// SPDX-License-Identifier: Apache-2.0
// Tensors of an epilogue, for timing programs that have one.
#pragma once

#include <vector>

#include "cuda/api.h"
#include "cuda/memory/buffers.h"
#include "p2plab/program/epilogue.h"

namespace p2plab::cuda {

/// Each rank's residual, weight, bias and outputs. The residual is zero and the sum is written where `buffers` has the rank's output, so that
/// comparing that checks the sum.
class RowsMemory {
 public:
  /// Rank r on GPU devices[r]; the buffers are not in place. Errors: device_failure.
  static Result<RowsMemory> create(const Epilogue& epilogue, const Payload& payload, const std::vector<int>& devices, const Buffers& buffers);

  /// By rank; what the program sums goes to memory of this object.
  const std::vector<DeviceBuffers>& addresses() const& { return addresses_; }
  const std::vector<DeviceBuffers>& addresses() && = delete;

 private:
  RowsMemory() = default;
  Result<std::uint64_t> filled(Bytes size, unsigned char with);

  std::vector<DeviceMemory> memory_;
  std::vector<DeviceBuffers> addresses_;
};

}  // namespace p2plab::cuda
