// SPDX-License-Identifier: Apache-2.0
// Finds single automorphisms: colour refinement, then guesses that are undone where they fail.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "p2plab/detail/symmetry.h"

namespace p2plab {

class SymmetrySearch {
 public:
  SymmetrySearch(const Topology& topology, std::span<const std::int64_t> marks);

  /// Nodes that no count of links and neighbours tells apart have one colour.
  const std::vector<std::uint64_t>& colours() const& { return stable_; }

  /// Where to try to send a GPU first, among GPUs of its colour: each is given with its rank; lower is earlier.
  using Preference = std::function<int(int gpu, int candidate)>;
  /// An automorphism that sends each first node to the second; none if there is none, or the search gives up.
  std::optional<Automorphism> find(std::vector<std::pair<int, int>> fixed, const Preference& preference);

 private:
  struct Arc {
    int other;
    std::uint64_t label;
  };
  void add_group(int g);
  std::vector<std::uint64_t> refine(std::vector<std::uint64_t> colours);
  std::vector<std::uint64_t> coloured(const std::vector<std::pair<int, int>>& fixed, bool images);
  bool extend(std::vector<std::pair<int, int>>& fixed, const Preference& preference);
  std::optional<Automorphism> complete(const std::vector<std::uint64_t>& from, const std::vector<std::uint64_t>& to) const;
  bool map_links(Automorphism& mapping) const;
  bool map_groups(Automorphism& mapping) const;

  const Topology& topology_;
  std::vector<std::vector<Arc>> arcs_;  // of nodes, then of groups
  std::vector<std::uint64_t> base_;
  std::vector<std::uint64_t> stable_;
  std::map<std::vector<std::int32_t>, std::vector<std::int32_t>> groups_;  // sorted links, then groups of just these
  std::optional<Automorphism> found_;
  int guesses_left_ = 0;      // of the search at hand
  std::int64_t visits_ = 0;   // of arcs
  std::int64_t in_vain_ = 0;  // of those, by all searches, for guesses that failed
};

}  // namespace p2plab
