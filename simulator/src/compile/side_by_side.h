// SPDX-License-Identifier: Apache-2.0
// Several compiled programs as one, whose thread blocks have lanes of their own: so programs of any number of blocks and any size of slices lie
// beside each other.
#pragma once

#include <vector>

#include "compile/compiled.h"

namespace p2plab {

/// `all` were compiled for one machine of `ranks` ranks and one profile. Ranks are those of the first program, then those of the second, ...
Compiled side_by_side(const std::vector<Compiled>& all, int ranks);

/// The same ranks as those of the machine again, for what asks who stores where.
void number_ranks(Compiled& joined, int ranks, bool apart);

}  // namespace p2plab
