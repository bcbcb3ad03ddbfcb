// SPDX-License-Identifier: Apache-2.0
// The reference machines with known optima, which lie beside the source tree (or where P2PLAB_REFERENCE says) and may be absent.
#pragma once

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "p2plab/machine/topology_io.h"
#include "reference_files.h"

namespace p2plab::test {

inline std::filesystem::path reference_optima() { return reference_collection() / "optima"; }

/// One of the reference machines.
inline Topology reference_machine(const std::string& name) {
  auto topology = load_topology((reference_optima() / (name + ".yaml")).string());
  if (!topology) std::cerr << describe(topology.error());
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

/// A row of the reference table.
struct Optimum {
  std::string name = {};
  int gpus = 0;
  std::string all_gather_inverse_rate = {};
  double all_reduce = 0;
  double all_to_all = 0;
  double broadcast = 0;
  int forestcoll_height = 0;
};

/// All rows; none if the reference is absent.
inline std::vector<Optimum> optima() {
  std::vector<Optimum> rows;
  std::ifstream file(reference_optima() / "index.json");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const auto key = line.substr(line.find('"') + 1, line.rfind('"', colon) - line.find('"') - 1);
    auto value = line.substr(colon + 2);
    std::erase_if(value, [](char c) { return c == '"' || c == ','; });
    if (key == "name") {
      rows.emplace_back();
      rows.back().name = value;
    }
    if (key == "gpus") rows.back().gpus = std::stoi(value);
    if (key == "all_gather_inverse_rate") rows.back().all_gather_inverse_rate = value;
    if (key == "all_reduce_algbw") rows.back().all_reduce = std::stod(value);
    if (key == "all_to_all_algbw") rows.back().all_to_all = std::stod(value);
    if (key == "broadcast_algbw_best_root") rows.back().broadcast = std::stod(value);
    if (key == "tree_height") rows.back().forestcoll_height = std::stoi(value);
  }
  return rows;
}

}  // namespace p2plab::test
