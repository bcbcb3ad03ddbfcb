// SPDX-License-Identifier: Apache-2.0
// What linear programs add to a bound that cuts have begun.
#pragma once

#include <optional>
#include <string>

#include "p2plab/bounds/bounds.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab::bounds {

/// Says that no program was run.
void give_up(Bound& bound);

/// Takes a linear program's rate (bytes per second of weight 1) as the bound if it is lower than what cuts allow; `factor` makes its seconds those of
/// the bound's inverse rate, `what` is what reaches it. Without a rate the bound is not known to be reached.
void take_rate(Bound& bound, const std::optional<double>& rate, const Rational& factor, const std::string& what);

/// Takes the best packing of trees as the bound: by cuts where those are exact and the machine is not too large; where trees may branch at nodes that
/// they need not reach, by columns, within so much `work`. Sets `attained`. What only copies in host memory reach is said.
void take_best_trees(Bound& bound, const Topology& topology, TreeDemand demand, const Rational& factor, const std::string& what, double work);

}  // namespace p2plab::bounds
