// SPDX-License-Identifier: Apache-2.0
// The moves of a hierarchical plan: to and from whoever is in charge, level by level.
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/data_flow.h"
#include "islands/hierarchy.h"
#include "islands/placed_tree.h"

namespace p2plab {

enum class Across { direct, ring, tree, one_shot };

struct IslandVariant {
  bool ring_inside = false;
  Across across = Across::direct;
  bool reads_inside = false;
  bool in_three_steps() const { return reads_inside || across == Across::one_shot; }  // three_steps.h
};

/// The variants that a hierarchical planner's parameters leave open. Errors: invalid_input, unknown words and those that do not go together.
Result<std::vector<IslandVariant>> island_variants(const Parameters& parameters);
/// The error of one in three steps that does not serve such a collective over so many levels; else none.
std::optional<Error> not_in_three_steps(const IslandVariant& variant, int levels, CollectiveKind kind);
/// For people: what goes across.
std::string_view name_of(Across across);

class IslandMoves {
 public:
  IslandMoves(const Hierarchy& hierarchy, IslandVariant variant);

  /// Which of the two trees carries the chunks that follow, where trees lead across.
  void take_tree(std::size_t which) { tree_ = which; }
  /// Sums flow to whoever is in charge, level by level from the inside out.
  void reduce(ChunkId chunk, const std::vector<std::size_t>& digits);
  /// Results flow from whoever is in charge, from the outside in.
  void hand_out(ChunkId chunk, const std::vector<std::size_t>& digits);
  void first(ChunkId chunk, Rank from, Rank to) { add({0, chunk, from, to}); }
  void last(ChunkId chunk, Rank from, Rank to) { add({1 + 2 * rounds_one_way(), chunk, from, to}); }
  std::vector<Move> all() && { return std::move(moves_); }

 private:
  struct Phase {
    int round;
    bool inwards;
  };

  bool ring(int level) const { return level == 0 ? variant_.ring_inside : variant_.across == Across::ring; }
  bool tree(int level) const { return level == hierarchy_.levels() - 1 && variant_.across == Across::tree; }
  int rounds_one_way() const;
  int rounds(int level) const;
  void add(const Move& move);
  void along(ChunkId chunk, int level, std::size_t number, const std::vector<std::size_t>& digits, Phase phase);

  const Hierarchy& hierarchy_;
  IslandVariant variant_;
  std::vector<PlacedTree> trees_;  // of the outermost level
  std::size_t tree_ = 0;
  std::vector<Move> moves_;
  std::set<std::tuple<int, ChunkId, Rank, Rank>> detours_;  // hops of those: when, of which chunk, from, to
};

}  // namespace p2plab
