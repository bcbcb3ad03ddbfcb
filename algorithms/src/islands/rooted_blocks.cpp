// SPDX-License-Identifier: Apache-2.0
#include "islands/rooted_blocks.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

namespace {

// Of each pair of ranks: a block is a step, and one thread block would take as many steps one after another as there are islands.
constexpr std::size_t channels_of_a_pair = 8;

class RootedBlocks {
 public:
  RootedBlocks(DataFlow& flow, const Hierarchy& hierarchy, const Collective& collective)
      : flow_(flow), hierarchy_(hierarchy), collective_(collective), home_(hierarchy.island_of(0, collective.root)) {}

  // One member of an island after the other, so that all ways out are taken from the beginning.
  void list() {
    struct Part {
      ChunkId chunk;
      Rank member;
      std::vector<std::size_t> way;
    };
    std::vector<Part> parts;
    for (std::size_t b = 0; b < collective_.members.size(); ++b) {
      const auto member = collective_.members[b];
      const auto channel = hierarchy_.island_of(0, member) % channels_of_a_pair;
      for (const auto& way : hierarchy_.ways_of(member))
        parts.push_back({flow_.add_chunk({static_cast<std::int32_t>(b), 1, static_cast<std::int32_t>(channel)}), member, way});
    }
    for (const auto& part : parts) add(part.chunk, part.member, part.way);
    push_in_rounds(flow_, std::move(moves_));
  }

 private:
  // To the root, or from it: by the member of its own island that has this way out, where it has none, and by the one of the root's that does.
  void add(ChunkId chunk, Rank member, const std::vector<std::size_t>& way) {
    const auto island = hierarchy_.island_of(0, member);
    std::vector<Rank> stops{member};
    if (island != home_) {
      stops.push_back(hierarchy_.stands_for(1, island, way));
      stops.push_back(hierarchy_.stands_for(1, home_, way));
    }
    stops.push_back(collective_.root);
    const bool in = collective_.kind == CollectiveKind::gather;
    if (!in) std::ranges::reverse(stops);
    // What stays in the root's island comes last: its ways are short.
    int round = island == home_ && !in ? 1 : 0;
    for (std::size_t i = 1; i < stops.size(); ++i, ++round) {
      if (stops[i] != stops[i - 1]) moves_.push_back({round, chunk, stops[i - 1], stops[i]});
    }
  }

  DataFlow& flow_;
  const Hierarchy& hierarchy_;
  const Collective& collective_;
  std::size_t home_;
  std::vector<Move> moves_;
};

}  // namespace

Result<Plan> plan_rooted_blocks(const Topology& topology, const Hierarchy& hierarchy, const Collective& collective) {
  if (hierarchy.levels() != 2)
    return unsupported("hierarchical", collective.kind, "each block goes to one receiver only, so islands in islands save nothing",
                       "use pairwise, or tree for gather and scatter");
  auto flow = DataFlow::create(topology, collective);
  if (!flow) return std::move(flow).error();
  RootedBlocks(*flow, hierarchy, collective).list();
  auto reason = fmt::format("{} islands of up to {} ranks: each block by its own member's way out, and through the member of the root's island on it",
                            hierarchy.islands(0).size(), hierarchy.width(0));
  return std::move(*flow).finish("hierarchical", {}, std::move(reason), "use pairwise, or tree for gather and scatter");
}

}  // namespace p2plab
