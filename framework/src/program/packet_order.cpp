// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "program/packet_places.h"
#include "program/packet_slots.h"

namespace p2plab {

namespace {

// Moves pure sends of data that is there from the beginning to the front: no rank then waits for one that itself still waits.
void send_first(std::vector<PacketItem>& items, BufferPlaces& written) {
  std::vector<bool> first(items.size());
  bool in_place = true;
  written.clear();  // by what stays
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    const bool sends_only = !item.destinations.empty() && std::ranges::all_of(item.destinations, is_landing) && !item.lands();
    if (sends_only && std::ranges::none_of(item.sources, [&](const PacketOperand& source) { return written.has(source); })) {
      item.order = first_order;
      first[i] = true;
      in_place = in_place && (i == 0 || first[i - 1]);
      continue;
    }
    for (const auto& to : item.destinations) {
      if (to.place == PacketPlace::memory) written.add(to);
    }
  }
  if (in_place) return;
  std::vector<PacketItem> sorted;
  sorted.reserve(items.size());
  for (const bool wanted : {true, false}) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (first[i] == wanted) sorted.push_back(std::move(items[i]));
    }
  }
  items = std::move(sorted);
}

// Each rank sends to its next neighbour first, so that no receiver gets everything at once.
void rotate_peers(PacketProgram& program, Rank rank, const RankView& view) {
  const auto n = static_cast<std::int32_t>(program.ranks.size());
  const auto self = view.self(rank).value;
  for (auto& item : program.ranks[rank.index()]) {
    if (item.destinations.size() < 2) continue;
    std::ranges::stable_sort(item.destinations, {},
                             [&](const PacketOperand& operand) { return (view.other(rank, operand.rank).value - self - 1 + n) % n; });
  }
}

}  // namespace

void finish_packets(PacketProgram& program, const Program& made_of, const PeerAccess& peer_access, const RankView& view) {
  BufferPlaces written;
  for (auto& items : program.ranks) send_first(items, written);
  deal_to_columns(program, made_of);
  add_tokens(program, peer_access, view);
  send_as_interpreted(program);
  for (auto& items : program.ranks) std::ranges::stable_sort(items, {}, &PacketItem::column);
  for (std::size_t r = 0; r < program.ranks.size(); ++r) rotate_peers(program, Rank{static_cast<std::int64_t>(r)}, view);
  mark_joins(program);
}

}  // namespace p2plab
