// SPDX-License-Identifier: Apache-2.0
// Parts of a machine that are unlike their brothers: what broke, or what was put together wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Something odd, and the machine as it would be without it.
struct Oddity {
  std::string what;                               // "gpu3 sends 425 GB/s over NVLink where the others send 450 GB/s"
  std::string ask;                                // which command says more
  std::optional<Topology> healed = std::nullopt;  // none where that cannot be said
  std::vector<Rank> gpus = {};                    // those that are odd; none where it is a part between GPUs
};

/// All of them: GPUs with fewer or no NVLinks, ports of PCIe that are narrower, links that are slower one way, one GPU fewer than such machines have.
std::vector<Oddity> find_oddities(const Topology& topology);

}  // namespace p2plab
