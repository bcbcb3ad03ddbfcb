// SPDX-License-Identifier: Apache-2.0
// Which wire packets take, before they are made.
#pragma once

#include "p2plab/program/packet_wire.h"
#include "p2plab/program/peer_access.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// The wire that `choose_packets` takes for a program by this protocol, where it goes by packets (LL128 that meets host memory goes by LL yet). Two
/// protocols with one wire make the same packets.
PacketWire wire_for(Protocol protocol, const Program& program, const PeerAccess& peer_access);

}  // namespace p2plab
