// SPDX-License-Identifier: Apache-2.0
// The rows that every bound by linear program has: what a machine's limits allow.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "p2plab/detail/linear_program.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// The greatest bandwidth of any link, by which programs divide all others.
double widest_link(const Topology& topology);

/// Bounds what all users of each link, each group and each limited node carry together. `users(link)` are the columns that use the link. To be called
/// before other rows are added. Returns the rows by Topology::limits(), -1 for limits that nothing uses.
std::vector<int> add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users);

/// After a successful `solve`: the prices of those rows, by limit.
std::vector<double> prices_of_rows(const LinearProgram& program, std::span<const int> rows);

}  // namespace p2plab::bounds
