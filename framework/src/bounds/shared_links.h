// SPDX-License-Identifier: Apache-2.0
// What bounds the links of a machine: each link, groups and node limits; the rows that every bound by linear program has.
#pragma once

#include <functional>
#include <string>

#include "p2plab/detail/linear_program.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// The greatest bandwidth of any link, by which programs divide all others.
double widest_link(const Topology& topology);

/// Links that carry no more than `capacity` together, and what bounds them: the link, group or node of number `index`.
struct Limit {
  enum class Kind { link, group, out_of_node, into_node };
  Kind kind;
  std::size_t index;
  std::string name;
  std::vector<LinkId> links;
  std::int64_t capacity = 0;  // bytes per second
};

/// Every link, then every group, then the limits of nodes on what leaves or enters them.
std::vector<Limit> limits_of(const Topology& topology);

/// Bounds what all users of each link, each group and each limited node carry together. `users(link)` are the columns that use the link.
void add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users);

}  // namespace p2plab::bounds
