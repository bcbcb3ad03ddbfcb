// SPDX-License-Identifier: Apache-2.0
// Presets that must exist, and the reference graphs where they lie beside the project.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "reference_files.h"

namespace p2plab::test {

/// The topology that a preset's line makes; the program ends with the error if it makes none.
inline Topology machine(const std::string& text) {
  auto topology = resolve_topology(text);
  if (!topology) {
    ADD_FAILURE() << describe(topology.error());
    std::abort();
  }
  return *std::move(topology);
}

/// The folder of reference graphs; none where it is not there.
inline std::optional<std::filesystem::path> reference_folder() {
  const auto folder = reference_collection();
  return std::filesystem::exists(folder / "optima") ? std::optional{folder} : std::nullopt;
}

/// A graph of optima/, whose files have one node or link a line; none if the file is not there.
inline std::optional<Topology> reference_graph(const std::filesystem::path& folder, const std::string& name) {
  std::ifstream file(folder / "optima" / (name + ".yaml"));
  if (!file) return std::nullopt;
  const std::regex node_line(R"(\s*- \{name: (\w+), kind: (\w+)\})");
  const std::regex link_line(R"(\s*- \{from: (\w+), to: (\w+), bandwidth: ([0-9.]+) GB/s\})");
  Topology::Builder builder(name);
  std::map<std::string, NodeId> nodes;
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_match(line, match, node_line))
      nodes[match[1]] = builder.add_node({match[1], match[2] == "gpu" ? NodeKind::gpu : NodeKind::network_switch});
    if (std::regex_match(line, match, link_line)) {
      builder.add_link({nodes.at(match[1]), nodes.at(match[2]), LinkKind::other, GBps(std::stod(match[3])), Seconds{0}});
    }
  }
  auto topology = std::move(builder).build();
  return topology ? std::optional{*std::move(topology)} : std::nullopt;
}

}  // namespace p2plab::test
