// SPDX-License-Identifier: Apache-2.0
// Topologies as YAML text, in the fixed format of framework/README.md. Writing and reading back changes nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "p2plab/detail/config_value.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

/// Reads a topology. `between: [a, b]` is the link a -> b followed by b -> a, each with the whole bandwidth. A link without `latency` has
/// default_latency of its kind; without `kind` it is `other`. A group's `[a, b]` names every link a -> b, `[a, b, k]` the k-th of several,
/// counted from 0 in order of appearance. Errors: all mistakes of the file, each with its place.
Result<Topology> read_topology(std::string_view text, const std::string& filename);

/// The same from a file; also errors of reading it.
Result<Topology> load_topology(const std::string& path);

/// The same from a map within another file, where `version` may be left out. None if the map has mistakes, which are then noted in its file.
std::optional<Topology> read_topology(const ConfigValue& map);

/// The text that reads back as an equal topology: the same nodes, links, limits and groups in the same order. Two neighbouring links that
/// are each other's reverse are written as one `between`. Node names must be valid UTF-8.
std::string write_topology(const Topology& topology);

/// Are the two equal in everything but their names and where their numbers come from?
bool same_machine(const Topology& a, const Topology& b);

}  // namespace p2plab
