// SPDX-License-Identifier: Apache-2.0
// The last look at a bound: what is given as its proof must prove it, evaluated by other means than those that found it.
#pragma once

#include <span>

#include "p2plab/bounds/bounds.h"

namespace p2plab::bounds {

/// The bound, if its cut or partition proves it once more; prices are evaluated when they are taken. Error: it does not, which is a fault of ours.
Result<Bound> evaluated_again(Bound bound, const Topology& topology, std::span<const Block> blocks, const InNetwork& able);

}  // namespace p2plab::bounds
