// SPDX-License-Identifier: Apache-2.0
// Which blocks divide a payload among them, and how images of a folded schedule share a block.
#pragma once

#include <cstddef>
#include <vector>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// How many of a collective's `blocks`, one after another, divide one payload among them.
std::size_t blocks_per_payload(const Collective& collective, std::size_t blocks);

/// In how many equal parts images share each block: as many as have chunks of it, if these weigh the same in each; else 1. Where it does not come out
/// even, the first parts have 16 bytes more than the others, so that images have chunks of few sizes.
std::vector<int> equal_parts(const Schedule& schedule);

}  // namespace p2plab
