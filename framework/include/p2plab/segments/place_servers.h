// SPDX-License-Identifier: Apache-2.0
// Which GPUs of several servers to take, where there are too many sets to weigh each.
#pragma once

#include "p2plab/bounds/place.h"

namespace p2plab {

/// Sets of `count` GPUs that take servers near each other, whole networks first, and as many GPUs of each as of the others: of as few servers as will
/// do, of more if they share evenly; of a server's GPUs those with NICs of their own first. Best first, as `place`; `alike` counts sets
/// around another server that look the same from there. Errors: as of `place`; unsupported on one server.
Result<std::vector<Placement>> place_on_servers(const Topology& topology, int count, CollectiveKind kind = CollectiveKind::all_reduce,
                                                const Weighed& weighed = {});

}  // namespace p2plab
