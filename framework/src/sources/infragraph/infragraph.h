// SPDX-License-Identifier: Apache-2.0
// A machine as InfraGraph has it (schema of version 2.4 and 3), between reading it and building the graph: devices and instances are expanded, every
// edge has its two ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/units.h"
#include "p2plab/detail/config_value.h"

namespace p2plab {

struct InfraNode {
  std::string name;       // "host.0.xpu.3"
  std::string component;  // "xpu"
  std::string type;       // cpu, xpu, nic, memory, port, switch, or what a custom component says
};

struct InfraLink {
  std::string name;
  std::string description = {};
  Bandwidth bandwidth = {};  // zero: not told, or told in transfers
  double gigatransfers = 0;  // a second, of one lane
  std::optional<Seconds> latency = std::nullopt;
};

/// Edges have no direction.
struct InfraEdge {
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t link = 0;
};

struct InfraGraph {
  std::string name;
  bool one_device = false;  // a single instance: names need no prefix
  std::vector<InfraNode> nodes;
  std::vector<InfraLink> links;
  std::vector<InfraEdge> edges;
  std::vector<std::string> warnings;
};

/// The indices of "xpu", "xpu[3]", "xpu[0:8:2]" of `count`; none if the text is no slice of them.
std::optional<std::vector<std::int64_t>> slice_of(const std::string& element, std::int64_t count);

/// The infrastructure, alone or within what InfraGraph's service answers.
ConfigValue infrastructure_of(const ConfigValue& root);
/// Is this an infrastructure, alone or within what InfraGraph's service answers?
bool is_infragraph(const ConfigValue& root);

/// Reads and expands it; none if the map has mistakes, which are then noted in its file. Slices are Python's. Of two edges between the same nodes the
/// later one counts, as in InfraGraph's own service, with a warning.
std::optional<InfraGraph> read_infragraph(const ConfigValue& root);

}  // namespace p2plab
