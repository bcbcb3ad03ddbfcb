// SPDX-License-Identifier: Apache-2.0
// expect: could not convert|cannot convert|no matching function
#include "p2plab/machine/topology.h"
const p2plab::Node& wrong(const p2plab::Topology& t) { return t.node(p2plab::Rank{0}); }
