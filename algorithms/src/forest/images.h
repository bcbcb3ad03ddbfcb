// SPDX-License-Identifier: Apache-2.0
// Trees that stand for their images, as images of a plan.
#pragma once

#include <optional>
#include <vector>

#include "common/data_flow.h"
#include "forest/tree_list.h"

namespace p2plab {

/// The images of a forest in the order in which a plan lists them: by root, the trees themselves first.
struct ForestImages {
  std::shared_ptr<const TreeImages> all;
  std::vector<std::size_t> order;
  /// By path of the trees that go up, and down: it and all its images are the machine's own routes.
  std::vector<bool> own_up;
  std::vector<bool> own_down;

  std::size_t size() const { return order.size(); }
  const Automorphism& operator[](std::size_t image) const& { return (*all)[order[image]]; }
  const Automorphism& operator[](std::size_t image) && = delete;
};

/// By path: are it and all its images the machine's own routes?
std::vector<bool> own_routes(const Topology& topology, const PathTable& paths, const TreeImages& images);

/// What the trees of one plan have in common (either list may be empty). None if they are not folded, or not in the same way, or if so many paths
/// need names that folding would save little: then they must be expanded.
std::optional<ForestImages> common_images(const Topology& topology, const TreeList& up, const TreeList& down);

/// The images for a schedule; `named` are the paths that the base names, in the order of their RouteIds. Adds to the plan the paths that images
/// need beside.
std::vector<ScheduleImage> schedule_images(const Topology& topology, const ForestImages& images, PathTable named, DataFlow& flow);

}  // namespace p2plab
