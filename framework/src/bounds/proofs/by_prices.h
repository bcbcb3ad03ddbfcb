// SPDX-License-Identifier: Apache-2.0
// Prices as proofs of bounds: all that a machine lets through in a second is worth so much, and what one byte needs costs at least so much; their
// ratio is a rate that nothing passes, whatever the prices are. Evaluated in whole numbers, from the machine and the prices alone.
#pragma once

#include <optional>
#include <span>

#include "bounds/programs.h"
#include "bounds/proofs/prices.h"
#include "p2plab/detail/rational.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab::bounds {

/// What one byte of weight 1 costs at least; the bound is worth / cost bytes per second.
struct PricedBound {
  Int128 cost = 0;
  Int128 worth = 0;
  /// Seconds per byte of weight 1, times 1e9; a smaller fraction where lowest terms do not fit.
  Rational inverse() const;
};

/// Of packings of trees. Where more than seven nodes may branch that need not be reached, what is proved may be less than the prices could. None if
/// that takes too long (some 2e9 comparisons), or a root does not reach all.
std::optional<PricedBound> proved_by_prices(const Topology& topology, const TreeDemand& demand, const Prices& prices);

/// Of flows of several commodities at once. None if a sink is not reached.
std::optional<PricedBound> proved_by_prices(const Topology& topology, std::span<const Commodity> commodities, bool reversed, const Prices& prices);

}  // namespace p2plab::bounds
