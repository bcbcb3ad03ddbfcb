// SPDX-License-Identifier: Apache-2.0
// Finds single automorphisms: colour refinement, then guesses that are taken back where they fail. Each guess is refined from where the one before
// it stands.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "p2plab/detail/symmetry.h"
#include "paths/colouring.h"

namespace p2plab {

class SymmetrySearch {
 public:
  SymmetrySearch(const Topology& topology, std::span<const std::int64_t> marks);
  SymmetrySearch(const SymmetrySearch&) = delete;
  SymmetrySearch& operator=(const SymmetrySearch&) = delete;

  /// Nodes that no count of links and neighbours tells apart have one colour.
  const std::vector<int>& colours() const& { return stable_; }

  /// Where to try to send a GPU first, among GPUs of its colour: each is given with its rank; lower is earlier.
  using Preference = std::function<int(int gpu, int candidate)>;
  /// An automorphism that sends each first node to the second; none if there is none, or the search gives up.
  std::optional<Automorphism> find(std::vector<std::pair<int, int>> fixed, const Preference& preference);

 private:
  void add_group(int g);
  bool extend(int first, const Preference& preference);
  bool try_image(int gpu, int image, int rank, const Preference& preference);
  std::vector<int> candidates_for(int gpu, const Preference& preference) const;
  std::optional<Automorphism> complete() const;
  bool map_links(Automorphism& mapping) const;
  bool map_groups(Automorphism& mapping) const;

  const Topology& topology_;
  LabelledGraph graph_;  // of nodes, then of groups
  std::vector<std::uint64_t> base_;
  std::map<std::vector<std::int32_t>, std::vector<std::int32_t>> groups_;  // sorted links, then groups of just these
  std::optional<Colouring> from_;                                          // as nodes are mapped so far,
  std::optional<Colouring> to_;                                            // and their images
  std::vector<int> stable_;                                                // classes before anything is fixed
  std::optional<Automorphism> found_;
  int guesses_left_ = 0;      // of the search at hand
  std::int64_t in_vain_ = 0;  // arcs looked at, by all searches, for guesses that failed
};

}  // namespace p2plab
