// SPDX-License-Identifier: Apache-2.0
// What linear programs add to a bound that cuts have begun.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "bounds/programs.h"
#include "bounds/proofs/by_prices.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab::bounds {

/// Says that no program was run, for the machine is too large, or for the time was up.
void give_up(Bound& bound, bool time_is_up);

/// Takes a linear program's rate as the bound if it is lower than what cuts allow, and if its prices, evaluated anew in whole numbers by `proved`,
/// prove it; if they prove less, that is the bound, which then is not known to be reached. `factor` makes seconds per byte of weight 1 those of the
/// bound's inverse rate, `what` is what reaches it. Without a rate the bound is not known to be reached.
void take_rate(Bound& bound, const Topology& topology, const std::optional<PricedRate>& rate,
               const std::function<std::optional<PricedBound>(const Prices&)>& proved, const Rational& factor, const std::string& what);

/// Takes the best packing of trees as the bound: by cuts where those are exact and the machine is not too large; where trees may branch at nodes that
/// they need not reach, by columns, within so much `work`. Sets `attained`. What only copies in host memory reach is said.
void take_best_trees(Bound& bound, const Topology& topology, TreeDemand demand, const Rational& factor, const std::string& what, double work);

}  // namespace p2plab::bounds
