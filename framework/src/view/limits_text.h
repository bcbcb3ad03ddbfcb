// SPDX-License-Identifier: Apache-2.0
// What bounds nodes and groups beside their links, in words.
#pragma once

#include <string>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// "; takes in 20 GB/s at most; memory 40 GB/s", empty where nothing bounds it.
std::string limits_text(const Node& node);
/// " for peer accesses"; empty: for all.
std::string counts_text(Traffic of);

}  // namespace p2plab
