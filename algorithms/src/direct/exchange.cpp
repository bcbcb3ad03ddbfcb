// SPDX-License-Identifier: Apache-2.0
#include "direct/exchange.h"

#include "common/alike.h"

namespace p2plab {

namespace {

struct Hop {
  int level;
  Rank from;
  Rank to;
};

// The way of a block. At each level to the part that is placed like the receiver's; once in the receiver's island, straight to it, or through who is
// in charge there.
std::vector<Hop> way(const Hierarchy& hierarchy, Rank from, Rank to) {
  std::vector<Hop> hops;
  const auto go = [&](int level, Rank next) {
    if (next != from) hops.push_back({level, from, next});
    from = next;
  };
  const auto& sender = hierarchy.digits_of(from);
  const auto& digits = hierarchy.digits_of(to);
  int level = 0;
  for (; level < hierarchy.levels() && from != to; ++level) {
    const auto island = hierarchy.island_of(level, from);
    if (hierarchy.island_of(level, to) == island) {
      go(level, to);
      continue;
    }
    const auto out = hierarchy.stands_for(level, hierarchy.islands(level)[island][hierarchy.in_charge(level, island, digits)], digits);
    if (level > 0 || !hierarchy.minds_ways_out()) {
      go(level, out);
      continue;
    }
    const auto ends = hierarchy.crossing(out, hierarchy.stands_for(1, hierarchy.island_of(0, to), {digits[0], sender[1]}));
    go(0, ends.first);
    go(1, ends.second);
    level = 1;
  }
  if (from != to) go(level, to);
  return hops;
}

std::optional<AlikeMembers> alike_members(const Hierarchy& hierarchy, std::span<const Block> blocks) {
  if (!hierarchy.even()) return std::nullopt;
  auto [grid, members] = places_of(hierarchy);
  return AlikeMembers::create(std::move(grid), std::move(members), blocks);
}

// Level after level; within one each hop of place 0 in a round of its own, so that who sends or relays is rotated like the others.
class Exchanges {
 public:
  Exchanges(DataFlow& flow, const Hierarchy& hierarchy, const AlikeMembers& alike) : flow_(flow), hierarchy_(hierarchy), alike_(alike) {}

  void fold(int ranks) {
    add(0);
    push_in_rounds(flow_, std::move(moves_));
    alike_.fold(flow_, ranks);
  }

  void list() {
    for (std::size_t place = 0; place < alike_.size(); ++place) add(place);
    push_in_rounds(flow_, std::move(moves_));
  }

 private:
  void add(std::size_t place) {
    const auto count = static_cast<int>(alike_.distances().size());
    for (int k = 0; k < count; ++k) {
      const auto which = static_cast<std::size_t>(k);
      const auto block = alike_.block(place, which);
      const auto chunk = flow_.add_chunk({block, 1, 0});
      const auto& of = flow_.blocks()[static_cast<std::size_t>(block)];
      for (const auto& hop : way(hierarchy_, of.contributors.front(), of.receivers.front()))
        moves_.push_back({hop.level * count + k, chunk, hop.from, hop.to});
    }
  }

  DataFlow& flow_;
  const Hierarchy& hierarchy_;
  const AlikeMembers& alike_;
  std::vector<Move> moves_;
};

}  // namespace

void list_exchanges(DataFlow& flow, const Hierarchy& hierarchy, const ExchangeOptions& options) {
  if (const auto alike = alike_members(hierarchy, flow.blocks())) {
    Exchanges exchanges(flow, hierarchy, *alike);
    return alike->size() >= options.fold_from ? exchanges.fold(options.ranks) : exchanges.list();
  }
  std::vector<Move> moves;
  for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
    const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, 0});
    const auto& block = flow.blocks()[b];
    if (block.contributors.empty()) continue;
    for (const auto& hop : way(hierarchy, block.contributors.front(), block.receivers.front())) moves.push_back({hop.level, chunk, hop.from, hop.to});
  }
  push_in_rounds(flow, std::move(moves));
}

}  // namespace p2plab
