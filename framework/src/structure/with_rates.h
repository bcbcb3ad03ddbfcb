// SPDX-License-Identifier: Apache-2.0
// A machine with other bandwidths for some of its links.
#pragma once

#include <span>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A bandwidth for links of a machine.
struct LinkRate {
  std::span<const LinkId> links;
  Bandwidth rate;
};

/// The same machine at these rates, with these sources. A budget that is as wide as the links that share it (a port, the link above a switch) is the
/// same number as theirs, so it follows them. Errors: a rate that no link can have.
Result<Topology> with_rates(const Topology& topology, std::span<const LinkRate> rates, MachineSources sources);

}  // namespace p2plab
