// SPDX-License-Identifier: Apache-2.0
// Prices of a machine's limits: the dual of a linear program, in whole numbers, so that what it proves can be evaluated exactly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "p2plab/detail/rational.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// By Topology::limits(): what one byte through each limit costs. Empty: none.
using Prices = std::vector<std::int64_t>;

/// The same prices, up to a factor, as multiples of a common one up to a million: what a person can check. Empty if they are no such.
Prices small_prices(std::span<const double> prices);

/// The same prices, up to a factor, to some twelve digits; dearest 2^40.
Prices fine_prices(std::span<const double> prices);

/// "1 for gpu0->gpu1, gpu1->gpu0 and 6 more; 2 for ...": by rising price.
std::string in_words(const Topology& topology, const Prices& prices);

/// What all that the machine lets through in a second costs.
Int128 worth(const Topology& topology, const Prices& prices);

/// By link: the sum of the prices of its limits.
std::vector<std::int64_t> prices_of_links(const Topology& topology, const Prices& prices);

}  // namespace p2plab::bounds
