// SPDX-License-Identifier: Apache-2.0
// The matrix of `nvidia-smi topo -m`, between reading the text and building the graph.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology_import.h"

namespace p2plab {

/// How two devices are joined, nearest first.
enum class SmiPath { self, nvlink, pix, pxb, phb, node, sys };

struct SmiCell {
  SmiPath path = SmiPath::sys;
  int lanes = 0;  // of nvlink
};

/// Rows and columns are the GPUs, then the network interfaces.
struct SmiMatrix {
  std::string name;
  std::size_t gpus = 0;
  std::vector<std::vector<SmiCell>> cells;
  std::vector<std::string> numa;  // by GPU: its NUMA node, or its CPUs where the text has no NUMA column; empty if neither is known
};

/// Reads the text. Errors name line and column: no header, an unknown word, a missing row or cell, a matrix that is not symmetric.
Result<SmiMatrix> read_smi(std::string_view text, const std::string& filename);

/// The graph of a matrix. Errors: an unknown GPU name in the options.
Result<Imported> build_machine(const SmiMatrix& matrix, const SmiOptions& options);

}  // namespace p2plab
