// SPDX-License-Identifier: Apache-2.0
// Images touch no place together, so each image's messages are the base's, moved. A representative has of every step of the base what some image does
// there; in the order of the base, which all images have.
#include "folded/fold_packets.h"

#include <algorithm>
#include <utility>

#include "folded/reached_images.h"
#include "program/packet_slots.h"

namespace p2plab {

namespace {

// An item of `rank` in image 0, as its representative has it.
PacketItem moved(PacketItem item, Rank rank, const RankImages& images, const BasePlaces& places) {
  const int image = images.back(rank);
  item.step = StepId{std::int64_t{item.step.value} + image};
  for (auto* operands : {&item.sources, &item.destinations}) {
    for (auto& operand : *operands) {
      if (is_landing(operand)) {
        operand.image = image;
        operand.route = images.moved(image, operand.route);
      } else {
        operand.offset = places.there(operand.rank, operand.buffer, operand.offset)->offset;
      }
      operand.rank = images.moved(image, operand.rank);
    }
  }
  return item;
}

}  // namespace

std::optional<PacketProgram> fold_packets(const Program& base, const PeerAccess& peer_access, PacketWire wire, const BasePlaces& places) {
  const auto& images = *base.images;
  const RankView view(&images);
  auto packets = list_packets(base, peer_access, wire, view);
  const auto ranks = std::exchange(packets.ranks, std::vector<std::vector<PacketItem>>(packets.ranks.size()));
  packets.folded = true;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    for (const auto& item : ranks[r]) packets.ranks[images.representative(rank).index()].push_back(moved(item, rank, images, places));
  }
  for (auto& items : packets.ranks) std::ranges::stable_sort(items, {}, &PacketItem::order);
  finish_packets(packets, base, peer_access, view);
  if (std::ranges::any_of(packets.host_landing, [](std::int64_t bytes) { return bytes > 0; })) return std::nullopt;
  if (std::ranges::any_of(packets.messages,
                          [&](const auto& message) { return image_out_of_reach(peer_access, images, message.from, message.to).has_value(); }))
    return std::nullopt;
  for (std::size_t r = 0; r < packets.landing.size(); ++r)
    packets.landing[r] = packets.landing[images.representative(Rank{static_cast<std::int64_t>(r)}).index()];
  return packets;
}

}  // namespace p2plab
