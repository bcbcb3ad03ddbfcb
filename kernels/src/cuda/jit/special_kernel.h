// SPDX-License-Identifier: Apache-2.0
// Packet kernels compiled at run time for one program, and loaded on the GPUs that need them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuda/api.h"
#include "lowered/specialise.h"

namespace p2plab::cuda {

/// A loaded kernel; valid on every GPU while the library that it came from lives.
class SpecialKernels {
 public:
  /// The kernels for linked packets, by code: compiled at the same time, unless this object already has the same. Errors: not_built (no NVRTC),
  /// unsupported (one would not compile).
  Result<std::vector<const void*>> get(const LinkedPackets& linked, const std::vector<PacketCode>& codes, int capability);

 private:
  Status add(const std::vector<std::string>& sources, int capability);
  struct Loaded {
    Library library;
    const void* kernel = nullptr;
  };
  std::map<std::string, Loaded> kernels_;  // by source
};

}  // namespace p2plab::cuda
