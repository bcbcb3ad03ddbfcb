// SPDX-License-Identifier: Apache-2.0
// The setting that plans are judged in: a machine and the simulator with a profile.
#pragma once

#include "p2plab/experiment/evaluate.h"
#include "p2plab/simulator/profile.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// A setting whose model is the simulator with this profile. Made once for a machine.
Setting make_setting(const Topology& topology, const Profile& profile, SimEngine engine = SimEngine::events);

}  // namespace p2plab
