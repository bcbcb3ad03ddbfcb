// SPDX-License-Identifier: Apache-2.0
// Hierarchical all-to-all and send/receive: a block goes, level by level, to the rank of its island that is placed like its receiver, then across on
// that rank's rail. So a rank talks to its island and to those placed like itself only: g - 1 + N/g - 1 peers for islands of g, instead of N - 1, and
// each block still crosses the way between islands once (NCCL's PXN; Tutel's and DeepSpeed's 2D all-to-all). Rounds: one a level.
#pragma once

#include "common/data_flow.h"
#include "islands/hierarchy.h"

namespace p2plab {

struct ExchangeOptions {
  int ranks = 0;              // of the machine
  std::size_t fold_from = 0;  // so many members: one's part of the plan is listed, and how the others rotate it
};

/// Lists a chunk for each block, and its hops. Folded only where all islands of a level have as many parts and each member sends the like.
void list_exchanges(DataFlow& flow, const Hierarchy& hierarchy, const ExchangeOptions& options);

}  // namespace p2plab
