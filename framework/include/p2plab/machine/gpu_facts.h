// SPDX-License-Identifier: Apache-2.0
// What a GPU holds and how fast it reads its own memory, by the names that people and nvidia-smi use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace p2plab {

struct GpuFacts {
  std::string title;
  double memory_gb = 0;    // 1e9 bytes
  double memory_gbps = 0;  // GB/s of its own memory; 0: not in the table
};

/// The GPU of this name, or the one that the name of a preset holds ("hgx-h200"); none if there is none.
std::optional<GpuFacts> gpu_facts(std::string_view name);

}  // namespace p2plab
