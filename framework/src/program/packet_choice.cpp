// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/packet_choice.h"

#include <algorithm>
#include <utility>

#include "p2plab/program/packet_program.h"

namespace p2plab {

PacketWire wire_for(Protocol protocol, const Program& program, const PeerAccess& peer_access) {
  const bool offers = protocol == Protocol::lamport || protocol == Protocol::simple;
  if (offers && program.adds() && can_be_lamport(program.payload)) return PacketWire::lamport;
  return protocol == Protocol::ll128 && peer_access.whole_lines() ? PacketWire::ll128 : PacketWire::ll;
}

std::shared_ptr<const PacketProgram> choose_packets(const Program& program, const PeerAccess& peer_access) {
  const auto protocol = program.tuning.protocol;
  if (protocol == Protocol::copy || (protocol == Protocol::simple && peer_access.covers(program))) return nullptr;
  const auto wire = wire_for(protocol, program, peer_access);
  auto packets = make_packet_program(program, peer_access, wire);
  // Data, and tokens against the data's way, may be owed where there is no way at all, as against links in one direction: then it runs slice by
  // slice.
  const auto lost = [&](const PacketMessage& message) {
    return !peer_access.connected(message.from, message.to) && !peer_access.through_host(message.from, message.to);
  };
  if (std::ranges::any_of(packets.messages, lost)) return nullptr;
  // Host memory delivers no whole lines.
  const bool over_host = std::ranges::any_of(packets.host_landing, [](std::int64_t bytes) { return bytes > 0; });
  if (wire == PacketWire::ll128 && over_host) packets = make_packet_program(program, peer_access, PacketWire::ll);
  return std::make_shared<const PacketProgram>(std::move(packets));
}

}  // namespace p2plab
