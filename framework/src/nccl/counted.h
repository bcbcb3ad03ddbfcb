// SPDX-License-Identifier: Apache-2.0
// What NCCL counts of a link's bandwidth.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab::nccl {

/// GB/s. Of PCIe at the nominal rate of a generation and width NCCL counts a share, 12 of 15.75 GB/s in generation 3 (src/graph/topo.cc); other rates
/// are taken as they are, since someone measured them or counted so already. NVLink keeps `nvlink_share`.
double counted_gbps(const Link& link, double nvlink_share);

}  // namespace p2plab::nccl
