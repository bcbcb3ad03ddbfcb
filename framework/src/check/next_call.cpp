// SPDX-License-Identifier: Apache-2.0
// Slots have three copies, of which a call takes the next: it reads and writes one and clears the one for the call after next. A sender is never two
// calls ahead of a reader if it knows, when its call ends, that the reader has begun the same call: then the reader has ended the one before, in
// which it read what will be overwritten and cleared what will be written. Whoever has begun tells so by all that it sends, and what reached it.
#include <fmt/format.h>

#include "check/order.h"
#include "check/prove.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

using Known = std::vector<std::vector<bool>>;

void add(std::vector<bool>& to, const std::vector<bool>& more) {
  for (std::size_t r = 0; r < to.size(); ++r) to[r] = to[r] || more[r];
}

// By rank: of which ranks it knows in the end. A column of threads tells what it knows itself.
Known known_in_the_end(const PacketProgram& packets, const Program& as_program, const checking::Order& order) {
  const auto n = packets.ranks.size();
  Known by_lane;
  std::vector<std::uint32_t> first(n);  // by rank: its first instruction
  for (std::size_t l = 0; l < as_program.lanes.size(); ++l) {
    const auto& lane = as_program.lanes[l];
    if (l == 0 || as_program.lanes[l - 1].rank != lane.rank) first[lane.rank.index()] = lane.first;
    by_lane.emplace_back(n)[lane.rank.index()] = true;
  }
  Known carried(packets.messages.size());
  for (const auto index : order.sequence()) {
    const auto rank = as_program.lanes[order.lane_of(index)].rank.index();
    auto& mine = by_lane[order.lane_of(index)];
    const auto& item = packets.ranks[rank][index - first[rank]];
    for (const auto& source : item.sources) {
      if (is_landing(source)) add(mine, carried[static_cast<std::size_t>(source.message)]);
    }
    for (const auto& to : item.destinations) {
      if (is_landing(to)) carried[static_cast<std::size_t>(to.message)] = mine;
    }
  }
  // A call ends when all of a rank's columns have ended it.
  Known known(n, std::vector<bool>(n));
  for (std::size_t l = 0; l < by_lane.size(); ++l) add(known[as_program.lanes[l].rank.index()], by_lane[l]);
  return known;
}

}  // namespace

Status checking::check_next_call(const PacketProgram& packets, const Program& as_program) {
  Order order(as_program);
  if (auto ok = order.find_sequence(); !ok) return ok;
  const auto known = known_in_the_end(packets, as_program, order);
  std::vector<bool> sent(packets.messages.size());
  for (const auto& items : packets.ranks) {
    for (const auto& item : items) {
      for (const auto& to : item.destinations) {
        if (is_landing(to)) sent[static_cast<std::size_t>(to.message)] = true;
      }
    }
  }
  for (std::size_t m = 0; m < sent.size(); ++m) {
    const auto& [from, to] = packets.messages[m];
    if (!sent[m] || known[from.index()][to.index()]) continue;
    return Error{ErrorCode::verification_failed,
                 fmt::format("rank {} may send message {} of the next call but one while rank {} still reads it: nothing tells rank {} that rank {} "
                             "has begun the call",
                             from.value, m, to.value, from.value, to.value)};
  }
  return {};
}

}  // namespace p2plab
