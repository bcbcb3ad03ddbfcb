// SPDX-License-Identifier: Apache-2.0
// Which folded programs can be simulated.
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/rank_images.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// Do the images of `schedule` use links, and whatever else carries data, that are alike and that no two of them share in one place, so that one
/// image tells what all do? Else `simulate` refuses folded programs of this schedule.
bool plays_folded(const Topology& topology, const Schedule& schedule, const RankImages& images, const Profile& profile);

}  // namespace p2plab
