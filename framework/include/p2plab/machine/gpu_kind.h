// SPDX-License-Identifier: Apache-2.0
// Which GPUs a machine has, as far as its description names them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A model of the table of GPUs.
struct GpuKind {
  std::string title;           // "H200 SXM"
  int pcie_generation = 0;     // 3 to 6; 0: not on PCIe in a way that counts
  int compute_capability = 0;  // 90 for 9.0; 0: no GPU of NVIDIA's
};

/// The model of the machine's GPUs; none if nothing names it, or several.
std::optional<GpuKind> gpu_kind(const Topology& topology);

/// How a machine's sources name its GPUs: `name` as nvidia-smi, a preset or people write it; none if no table knows it.
std::optional<SourcedValue> gpu_source(std::string_view name, Origin origin, std::string source);

/// The same machine, whose sources say this, too.
Topology with_source(const Topology& topology, SourcedValue value);

}  // namespace p2plab
