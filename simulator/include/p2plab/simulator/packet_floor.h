// SPDX-License-Identifier: Apache-2.0
// What a program takes at least by packets, before they are made.
#pragma once

#include "p2plab/program/packet_traffic.h"
#include "p2plab/program/packet_wire.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// No packet program with this traffic takes less by `wire`: each column takes items that stand apart one after another, and where the profile does
/// not say what packets cost, its thread blocks have to store what it sends (else they store together faster than links carry).
Seconds packet_floor(const PacketTraffic& traffic, PacketWire wire, const Profile& profile);

}  // namespace p2plab
