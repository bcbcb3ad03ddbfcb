// How all pairs of some GPUs send to each other at the greatest common rate: weighted paths past switches and through other GPUs.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/ids.h"
#include "p2plab/topology.h"

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
};

/// Paths for every ordered pair of `members`, each pair at up to `target` bytes per second at the same time; other GPUs may relay. By linear program
/// over paths, priced by shortest paths, so optimal up to the solver's tolerance and to shares below a five-hundredth, which are left out. One GPU of
/// each orbit of the machine's symmetries is planned for. Empty if some pair cannot be joined, or if there are more pairs than the program can hold.
FlowPaths best_flow_paths(const Topology& topology, const std::vector<Rank>& members, double target, const std::function<bool()>& stop);

}  // namespace p2plab
