// SPDX-License-Identifier: Apache-2.0
// Which port of a GPU a message uses, as a small number.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "p2plab/machine/routes.h"

namespace p2plab {

/// Numbers the neighbours of every GPU. Two GPUs that are linked give their link one number, and so do all GPUs of one switch: LogGOPSim books a
/// message at its receiver on the number that the sender gave.
class MessagePorts {
 public:
  explicit MessagePorts(const Topology& topology);
  /// One more than the highest number.
  int count() const { return count_; }
  struct Ends {
    std::int32_t leaves = 0;
    std::int32_t enters = 0;
  };
  /// The ports of a message on these links, or on the machine's own route if there are none.
  Ends of(Rank from, Rank to, std::span<const LinkId> links) const;

 private:
  Topology topology_;
  const Routes& routes_;
  std::map<std::pair<NodeId, NodeId>, std::int32_t> ports_;  // of a GPU towards a neighbour
  int count_ = 1;
};

}  // namespace p2plab
