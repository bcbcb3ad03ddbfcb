// SPDX-License-Identifier: Apache-2.0
// Packet programs of representatives alone.
#pragma once

#include <optional>

#include "folded/base_places.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

/// What make_packet_program gives the representatives of `base.images`, made of image 0 on all ranks (Lowered::base). None where some rank does not
/// reach another one's memory in some image: nothing goes by host memory.
std::optional<PacketProgram> fold_packets(const Program& base, const PeerAccess& peer_access, PacketWire wire, const BasePlaces& places);

}  // namespace p2plab
