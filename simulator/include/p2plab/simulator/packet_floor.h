// SPDX-License-Identifier: Apache-2.0
// What a program takes at least by packets, before they are made.
#pragma once

#include "p2plab/program/packet_traffic.h"
#include "p2plab/program/packet_wire.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// No packet program with this traffic takes less by `wire`: its thread blocks have to store what their rank sends. Zero where the profile says what
/// packets cost, for then blocks together store faster than links carry.
Seconds packet_floor(const PacketTraffic& traffic, PacketWire wire, const Profile& profile);

}  // namespace p2plab
