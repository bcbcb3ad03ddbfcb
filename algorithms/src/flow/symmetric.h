// SPDX-License-Identifier: Apache-2.0
// A plan in which every GPU sends along the first one's paths, moved by a symmetry.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/data_flow.h"
#include "flow/paths.h"
#include "forest/images.h"

namespace p2plab {

/// The images of all paths, those of one mapping together.
std::vector<FlowPath> images_of(const std::vector<FlowPath>& paths, const std::vector<Automorphism>& images);

class SymmetricPaths {
 public:
  /// `paths` lead from one GPU, images of them from all others. None if so many of them need names that folding would save little.
  static std::optional<SymmetricPaths> create(const Topology& topology, const std::vector<FlowPath>& paths,
                                              const std::shared_ptr<const std::vector<Automorphism>>& images);

  /// Lists the hops of an all_to_all among all ranks, first hops first, and folds the plan; returns how many the longest path has.
  std::size_t list(const Collective& collective, DataFlow& flow) const;

 private:
  SymmetricPaths(const Topology& topology, const std::vector<FlowPath>& paths) : topology_(topology), paths_(paths) {}
  Rank image(std::size_t image, int node) const { return *topology_.rank_of(NodeId{images_[image].nodes[static_cast<std::size_t>(node)]}); }

  const Topology& topology_;
  const std::vector<FlowPath>& paths_;
  ForestImages images_;
  PathTable named_;                      // what the base names, in the order of its RouteIds
  std::vector<std::vector<int>> names_;  // by path, by hop: the number in `named_`, -1: the machine's own route
};

}  // namespace p2plab
