// SPDX-License-Identifier: Apache-2.0
// The members of a collective as nested islands.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "common/alike.h"
#include "islands/ways_out.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

/// A part is a member (by position) at level 0, an island of the level below above; the last level is one island. A member's digits say which part
/// of its island it is in, level by level. A level that parts less than half of the islands above it is left out: there a link is degraded.
class Hierarchy {
 public:
  Hierarchy(const Collective& collective, const std::vector<IslandLevel>& levels);
  /// Members of two levels that are in charge where their islands' ways out are, if those differ (`WaysOut`).
  void mind_ways_out(const Topology& topology);
  bool minds_ways_out() const { return ways_.has_value(); }

  int levels() const { return static_cast<int>(parts_.size()); }
  const std::vector<std::vector<std::size_t>>& islands(int level) const& { return parts_[static_cast<std::size_t>(level)]; }
  const std::vector<std::vector<std::size_t>>& islands(int level) && = delete;
  /// The most parts of any island of a level: how many shards it cuts a payload into.
  std::size_t width(int level) const;
  /// Have all islands of each level as many parts, and as good a way out?
  bool even() const;
  /// The parts of the outermost island that reduce shards.
  std::vector<std::size_t> reducers() const;

  /// The place in an island of the part that is in charge of the chunk with these digits.
  std::size_t in_charge(int level, std::size_t island, const std::vector<std::size_t>& digits) const;
  /// The digits that carry a member's own blocks between islands, together where they are several: its own, as a rule.
  std::vector<std::vector<std::size_t>> ways_of(Rank rank) const;

  /// The member that stands for a part of `level`, for the chunk with these digits (one per level: which part of an island is in charge).
  Rank stands_for(int level, std::size_t part, const std::vector<std::size_t>& digits) const;

  /// Where what `from` sends to `to`, of another outermost part, leaves its own one and enters the other: these two, where a way leads between them
  /// or none is found.
  std::pair<Rank, Rank> crossing(Rank from, Rank to) const;

  /// The digits that put `rank` in charge of everything it is part of.
  const std::vector<std::size_t>& digits_of(Rank rank) const& { return digits_[place_of(rank)]; }
  const std::vector<std::size_t>& digits_of(Rank rank) && = delete;
  /// The island of a level in which `rank` is, and which part of it that is in.
  std::size_t island_of(int level, Rank rank) const { return islands_[place_of(rank)][static_cast<std::size_t>(level)]; }

 private:
  std::size_t place_of(Rank rank) const { return places_[rank.index()]; }
  std::vector<std::size_t> islands_of_members(const IslandLevel& level) const;
  static bool parts_most(const std::vector<std::size_t>& island_of, const std::vector<std::size_t>& above);
  void add_level(const std::vector<std::size_t>& part_of, const std::vector<std::size_t>& island_of);
  void find_digits();

  std::vector<Rank> members_;
  std::vector<std::size_t> places_;  // by rank: its position among the members
  std::vector<std::vector<std::vector<std::size_t>>> parts_;
  std::vector<std::vector<std::size_t>> digits_;   // by position
  std::vector<std::vector<std::size_t>> islands_;  // by position, by level
  std::optional<WaysOut> ways_;                    // if they differ
  std::vector<std::vector<Rank>> outermost_;       // then, by island: the members
  std::optional<Topology> topology_;               // then
};

/// A place for each member of an even hierarchy, in the order of their digits, those of the innermost level running fastest.
struct MemberPlaces {
  WrappedGrid grid;
  std::vector<Rank> members;
};
MemberPlaces places_of(const Hierarchy& hierarchy);

}  // namespace p2plab
