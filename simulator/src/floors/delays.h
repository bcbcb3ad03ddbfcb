// SPDX-License-Identifier: Apache-2.0
// Least delays on a machine's links, where a GPU that passes data on costs time.
#pragma once

#include <array>
#include <limits>
#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

enum class Towards { from_them, to_them };

/// By node, in seconds: the least delay from the nearest of `ends` (or to it); each GPU on the way costs `stop`. Infinite: out of reach.
std::vector<double> delays(const Topology& topology, std::span<const NodeId> ends, Towards towards, double stop);

/// One of all GPUs that the machine's symmetry maps onto each other: the others are as far from all GPUs as it is. Of few GPUs, all.
std::vector<NodeId> unlike_gpus(const Topology& topology);

/// How far nodes are from GPUs that have labels, along ways without a GPU in between.
class NearestGpus {
 public:
  /// `labels`: by rank.
  NearestGpus(const Topology& topology, std::span<const int> labels);

  /// From the nearest GPU with another label than this one to `node`, in seconds; infinite: out of reach.
  double to(NodeId node, int other_than) const { return nearest_[node.index()].other_than(other_than); }
  /// The least delay between GPUs with different labels.
  double apart() const { return apart_; }

 private:
  // The nearest label, and the nearest other one.
  struct Nearest {
    std::array<double, 2> delay{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    std::array<int, 2> label{-1, -1};
    double other_than(int label_at_hand) const { return label[0] == label_at_hand ? delay[1] : delay[0]; }
    bool take(double time, int of);
  };
  std::vector<Nearest> nearest_;  // by node
  double apart_ = std::numeric_limits<double>::infinity();
};

}  // namespace p2plab
