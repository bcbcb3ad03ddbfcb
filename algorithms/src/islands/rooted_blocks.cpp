// SPDX-License-Identifier: Apache-2.0
#include "islands/rooted_blocks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace p2plab {

namespace {

// Of each pair of ranks: a block is a step, and one thread block would take as many steps one after another as there are islands.
constexpr std::size_t channels_of_a_pair = 8;

class RootedBlocks {
 public:
  RootedBlocks(DataFlow& flow, const Hierarchy& hierarchy, const Collective& collective)
      : flow_(flow), hierarchy_(hierarchy), collective_(collective), home_(hierarchy.island_of(0, collective.root)) {}

  // All parts of all blocks, round by round, so that all ways out are taken from the beginning.
  void list() {
    for (std::size_t b = 0; b < collective_.members.size(); ++b) {
      const auto member = collective_.members[b];
      const auto channel = hierarchy_.island_of(0, member) % channels_of_a_pair;
      for (const auto& way : hierarchy_.ways_of(member))
        add(flow_.add_chunk({static_cast<std::int32_t>(b), 1, static_cast<std::int32_t>(channel)}), member, way);
    }
    push_in_rounds(flow_, std::move(moves_));
  }

 private:
  // To the root, or from it: by the member of its own island that has this way out, where it has none, and by the one of the root's that does;
  // where no way leads from one to the other, by those that pass it on.
  void add(ChunkId chunk, Rank member, const std::vector<std::size_t>& way) {
    const auto island = hierarchy_.island_of(0, member);
    const bool in = collective_.kind == CollectiveKind::gather;
    // What stays in the root's island comes last in a scatter: its ways are short.
    if (island == home_) return add_hops(chunk, in ? std::vector{member, collective_.root} : std::vector{collective_.root, member}, in ? 0 : 2);
    const auto there = hierarchy_.stands_for(1, island, way);
    const auto here = hierarchy_.stands_for(1, home_, way);
    const auto [first, second] = in ? hierarchy_.crossing(there, here) : hierarchy_.crossing(here, there);
    if (in) return add_hops(chunk, {member, there, first, second, here, collective_.root}, 0);
    add_hops(chunk, {collective_.root, here, first, second, there, member}, 0);
  }

  // A round for each stop, also where two are one; what would come back to a stop stays there.
  void add_hops(ChunkId chunk, const std::vector<Rank>& stops, int round) {
    std::vector<std::pair<int, Rank>> path;
    for (const auto stop : stops) {
      const auto seen = std::ranges::find(path, stop, &std::pair<int, Rank>::second);
      if (seen == path.end()) {
        path.emplace_back(round, stop);
      } else {
        path.erase(seen + 1, path.end());
      }
      ++round;
    }
    for (std::size_t i = 1; i < path.size(); ++i) moves_.push_back({path[i].first - 1, chunk, path[i - 1].second, path[i].second});
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
