// SPDX-License-Identifier: Apache-2.0
// Symmetric ranks as one: where all ranks of a pattern meet the same, rank 0's part tells the whole.
#pragma once

#include <optional>
#include <vector>

#include "compile/compiled.h"

namespace p2plab {

struct Folded {
  Compiled compiled;                     // of rank 0 alone; each resource stands for all of its class
  std::vector<std::int32_t> stands_for;  // by resource of the whole: the one in `compiled` that does what it does, or -1: it has nothing to do
};

/// `whole` must come from a pattern with `lanes` lanes a rank. None if ranks differ: in when they start, in their paths' links, or in whom they
/// share them with. Even where this gives a result, the engine may still find a tie between two lanes that only the order of events decides; then
/// ranks could differ, and only the whole tells.
std::optional<Folded> fold(const Compiled& whole, std::size_t lanes);

}  // namespace p2plab
