// SPDX-License-Identifier: Apache-2.0
// Which folded programs can be simulated.
#pragma once

#include <memory>
#include <span>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/rank_images.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// What carries data for several images alike.
class FoldedResources;

using FoundResources = std::span<const std::shared_ptr<const FoldedResources>>;

/// Do the images of `schedule` use links, and whatever else carries data, that are alike and that no two of them share in one place, so that one
/// image tells what all do? Then these, by which programs of this schedule are simulated sooner (SimOptions::resources); else null: `simulate`
/// refuses folded programs of this schedule. `known` was found on this machine, by this profile: what says all of it is returned.
std::shared_ptr<const FoldedResources> folded_resources(const Topology& topology, const Schedule& schedule, const RankImages& images,
                                                        const Profile& profile, FoundResources known = {});

/// The same of the packets of a folded program, whose tokens, and what remote reads become, take ways of their own.
std::shared_ptr<const FoldedResources> packet_resources(const Topology& topology, const Program& packets, const Profile& profile,
                                                        FoundResources known = {});

}  // namespace p2plab
