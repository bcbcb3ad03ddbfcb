// SPDX-License-Identifier: Apache-2.0
#include "floors/hop_costs.h"

#include <algorithm>

#include "floors/parted.h"
#include "p2plab/program/packet_wire.h"

namespace p2plab {

namespace {

constexpr double clock_tick = 1e-12;  // to which the simulator rounds what an item costs

HopCosts by_slices(const Profile& profile, ProgramKind kind) {
  return {.kind = kind,
          .start = profile.launch.count(),
          .step = profile.slice_cost.count(),
          .signal = (profile.fence + profile.signal_peer).count(),
          .request = profile.read_request,
          .rate = profile.link_efficiency,
          .loads = kind != ProgramKind::pushed};
}

// What lands has to be read from its slot, whoever sent it.
HopCosts by_packets(const Profile& profile, CollectiveKind kind, const Payload& payload) {
  const bool said = profile.packet_start.count() > 0 || profile.packet_item.count() > 0 || profile.packet_tail.count() > 0;
  const auto step = said ? std::max(0.0, 2 * profile.packet_item.count() - clock_tick) : profile.slice_cost.count();
  const auto signal = said ? 0 : profile.poll.count();
  const auto line = line_of(reduces(kind) && can_be_lamport(payload) ? PacketWire::lamport : PacketWire::ll128);
  return {.kind = ProgramKind::packets,
          .start = (said ? profile.packet_start : profile.launch).count(),
          .step = step,
          .signal = signal,
          .end = signal + step,
          .rate = profile.link_efficiency * static_cast<double>(line.data) / static_cast<double>(line.packets * packet_bytes)};
}

// The flags of packets without their slots.
HopCosts by_polls(const Profile& profile) {
  auto costs = by_slices(profile, ProgramKind::polled);
  costs.signal = profile.poll.count();
  return costs;
}

// Can a rank be written to that has no way back, for a token?
bool has_ways_of_one_direction(const Topology& topology) {
  return std::ranges::any_of(topology.links(), [&](const Link& link) {
    return std::ranges::none_of(topology.out_links(link.to), [&](LinkId back) { return topology.link(back).to == link.from; });
  });
}

HopCosts by_copies(const Profile& profile) {
  return {.kind = ProgramKind::copies,
          .start = profile.launch.count(),
          .step = profile.copy_start.count(),
          .signal = profile.signal_peer.count(),
          .rate = profile.copy_efficiency > 0 ? profile.copy_efficiency : profile.link_efficiency,
          .loads = true};
}

}  // namespace

std::vector<HopCosts> hop_costs(const Topology& topology, CollectiveKind kind, const Payload& payload, const Profile& profile) {
  std::vector<HopCosts> all{by_slices(profile, ProgramKind::pushed), by_slices(profile, ProgramKind::slices), by_packets(profile, kind, payload)};
  if (!coarsest_parts(topology).empty()) all.insert(all.begin() + 1, by_slices(profile, ProgramKind::inside));
  if (has_ways_of_one_direction(topology)) all.push_back(by_polls(profile));
  if (!reduces(kind)) all.push_back(by_copies(profile));
  return all;
}

}  // namespace p2plab
