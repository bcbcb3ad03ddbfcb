// SPDX-License-Identifier: Apache-2.0
#include "islands/island_moves.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

namespace p2plab {

Result<std::vector<IslandVariant>> island_variants(const Parameters& parameters) {
  static const std::array<std::string, 4> ways_inside{"auto", "direct", "ring", "read"};
  static const std::array<std::string, 5> ways_across{"auto", "direct", "ring", "tree", "one_shot"};
  auto inside = word_parameter(parameters, "inside", ways_inside);
  if (!inside) return std::move(inside).error();
  auto across = word_parameter(parameters, "across", ways_across);
  if (!across) return std::move(across).error();
  if (*inside == "read") {
    if (*across != "direct" && *across != "auto")
      return Error{ErrorCode::invalid_input, fmt::format("inside=read goes with across=direct, not {}", *across)};
    return std::vector{IslandVariant{.reads_inside = true}};
  }
  if (*across == "one_shot") {
    if (*inside == "ring") return Error{ErrorCode::invalid_input, "across=one_shot goes with inside=direct, not ring"};
    return std::vector{IslandVariant{.across = Across::one_shot}};
  }
  std::vector<IslandVariant> variants;
  for (const bool ring_inside : {false, true}) {
    for (const auto& [name, way] : {std::pair{"direct", Across::direct}, std::pair{"ring", Across::ring}, std::pair{"tree", Across::tree}}) {
      const bool inside_fits = *inside == "auto" || (*inside == "ring") == ring_inside;
      const bool across_fits = *across == name || (*across == "auto" && way != Across::tree);
      if (inside_fits && across_fits) variants.push_back({ring_inside, way});
    }
  }
  return variants;
}

std::optional<Error> not_in_three_steps(const IslandVariant& variant, int levels, CollectiveKind kind) {
  using enum CollectiveKind;
  const bool reads = variant.reads_inside;
  if (!variant.in_three_steps() || (levels == 2 && (kind == all_reduce || (reads && kind == reduce_scatter)))) return std::nullopt;
  return unsupported("hierarchical", kind,
                     reads ? "inside=read is for an all_reduce or a reduce_scatter over islands of one level"
                           : "across=one_shot is for an all_reduce over islands of one level",
                     fmt::format("leave {} as it is", reads ? "inside" : "across"));
}

std::string_view name_of(Across across) {
  switch (across) {
    case Across::direct: return "direct";
    case Across::ring: return "rings";
    case Across::tree: return "trees";
    case Across::one_shot: break;
  }
  return "whole shards";
}

IslandMoves::IslandMoves(const Hierarchy& hierarchy, IslandVariant variant) : hierarchy_(hierarchy), variant_(variant) {
  const auto outermost = static_cast<int>(hierarchy.width(hierarchy.levels() - 1));
  for (const bool second : {false, true}) trees_.push_back(placed_tree(outermost, second));
}

void IslandMoves::reduce(ChunkId chunk, const std::vector<std::size_t>& digits) {
  int round = 1;
  for (int level = 0; level < hierarchy_.levels(); ++level) {
    for (std::size_t island = 0; island < hierarchy_.islands(level).size(); ++island) along(chunk, level, island, digits, {round, true});
    round += rounds(level);
  }
}

void IslandMoves::hand_out(ChunkId chunk, const std::vector<std::size_t>& digits) {
  int round = 1 + rounds_one_way();
  for (int level = hierarchy_.levels() - 1; level >= 0; --level) {
    for (std::size_t island = 0; island < hierarchy_.islands(level).size(); ++island) along(chunk, level, island, digits, {round, false});
    round += rounds(level);
  }
}

int IslandMoves::rounds_one_way() const {
  int sum = 0;
  for (int level = 0; level < hierarchy_.levels(); ++level) sum += rounds(level);
  return sum;
}

int IslandMoves::rounds(int level) const {
  if (tree(level)) return std::max(trees_[0].height, trees_[1].height);
  return ring(level) ? static_cast<int>(hierarchy_.width(level)) : 1;
}

// Where no way leads the others of both islands pass it on, in the same round one after another. A hop that two detours of a chunk have in a
// round is taken once: what is added up at a relay goes on together, and so does what parts there.
void IslandMoves::add(const Move& move) {
  constexpr int hops = 3;
  const auto [out, in] = hierarchy_.crossing(move.from, move.to);
  const bool direct = out == move.from && in == move.to;
  auto at = move.from;
  int hop = hops * move.round;
  for (const auto next : {out, in, move.to}) {
    if (next != at) {
      if (direct || detours_.emplace(hop, move.chunk, at, next).second) moves_.push_back({hop, move.chunk, at, next});
      ++hop;
    }
    at = next;
  }
}

void IslandMoves::along(ChunkId chunk, int level, std::size_t number, const std::vector<std::size_t>& digits, Phase phase) {
  const auto& island = hierarchy_.islands(level)[number];
  const auto n = island.size();
  const auto chosen = hierarchy_.in_charge(level, number, digits);
  const auto at = [&](std::size_t place) { return hierarchy_.stands_for(level, island[place % n], digits); };
  for (std::size_t k = 1; k < n; ++k) {
    if (tree(level)) {
      const auto above = at(chosen + static_cast<std::size_t>(trees_[tree_].above[k]));
      const auto depth = trees_[tree_].depths[k];
      add(phase.inwards ? Move{phase.round + rounds(level) - depth, chunk, at(chosen + k), above}
                        : Move{phase.round + depth - 1, chunk, above, at(chosen + k)});
    } else if (!ring(level)) {
      add(phase.inwards ? Move{phase.round, chunk, at(chosen + k), at(chosen)} : Move{phase.round, chunk, at(chosen), at(chosen + k)});
    } else {
      const auto from = phase.inwards ? chosen + k : chosen + k - 1;
      add({phase.round + static_cast<int>(k) - 1, chunk, at(from), at(from + 1)});
    }
  }
}

}  // namespace p2plab
