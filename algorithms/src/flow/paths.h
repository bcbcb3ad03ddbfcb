// SPDX-License-Identifier: Apache-2.0
// How pairs of GPUs send to each other at the greatest common rate: weighted paths past switches and through other GPUs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/detail/symmetry.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

/// A way from one GPU to another for part of what they exchange.
struct FlowPath {
  struct Hop {
    int to = 0;  // NodeId of a GPU
    std::vector<LinkId> links;
  };
  int from = 0;  // NodeId of a GPU
  std::vector<Hop> hops;
  std::int64_t count = 0;  // share among the paths of its pair
};

struct FlowPaths {
  std::vector<FlowPath> paths;
  double share = 0;  // of the target that is reached
  /// Where not null, each path stands for its images, one for each mapping (the identity first): all start at different GPUs.
  std::shared_ptr<const std::vector<Automorphism>> images = nullptr;
};

/// `weight` parts of the data go from one GPU to another.
struct FlowDemand {
  Rank from;
  Rank to;
  std::int64_t weight = 1;
};

struct FlowProblem {
  /// By rising `from`.
  std::vector<FlowDemand> demands;
  /// By node: symmetries that do not keep these do not keep the demands.
  std::vector<std::int64_t> marks;
  /// Do those that keep the marks keep the demands, too? Else each is looked at.
  bool marks_tell = true;
  /// Bytes per second of weight 1 beyond which nothing can be gained.
  double target = 0;
  /// May paths stand for their images?
  bool fold = false;
  /// True when the time is up.
  std::function<bool()> stop = [] { return false; };
};

/// Paths for all demands at the same time; other GPUs may relay. By linear program over paths, priced by shortest paths, so optimal up to the
/// solver's tolerance and to shares below a five-hundredth, which are left out. One GPU of each orbit of the machine's symmetries is planned for.
/// Empty if some pair cannot be joined, or if there are more pairs than the program can hold.
FlowPaths best_flow_paths(const Topology& topology, const FlowProblem& problem);

}  // namespace p2plab
