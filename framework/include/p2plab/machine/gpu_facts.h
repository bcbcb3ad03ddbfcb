// SPDX-License-Identifier: Apache-2.0
// What a GPU holds, how fast it reads its own memory and what it is joined by, by the names that people and nvidia-smi use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace p2plab {

struct GpuFacts {
  std::string title;
  double memory_gb = 0;           // 1e9 bytes
  double memory_gbps = 0;         // GB/s of its own memory; 0: not in the table
  int links = 0;                  // NVLink or xGMI links
  bool peers_over_pcie = true;    // do the driver's defaults let two of them reach each other's memory over PCIe?
  bool peers_over_nvlink = true;  // and over NVLink?
};

/// The GPU of this name, or the one that the name of a preset holds ("hgx-h200"); none if there is none.
std::optional<GpuFacts> gpu_facts(std::string_view name);

}  // namespace p2plab
