// SPDX-License-Identifier: Apache-2.0
// Times that no execution of a compiled program can undercut.
#pragma once

#include "compile/compiled.h"

namespace p2plab {

/// What one look along the program finds; contention aside from the bound, all of it is what would happen on a machine with links for everyone.
struct LongestPath {
  std::int64_t bound = 0;                      // the busiest resource, the busiest thread block, the longest chain of waits
  std::vector<std::int64_t> rank_finish = {};  // by chains alone
  std::vector<std::int64_t> loads = {};        // by resource: bytes
};

LongestPath longest_path(const Compiled& compiled);

}  // namespace p2plab
