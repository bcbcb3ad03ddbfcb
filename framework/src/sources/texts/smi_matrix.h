// SPDX-License-Identifier: Apache-2.0
// The texts of `nvidia-smi topo`, between reading them and building the machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sources/device_tree.h"

namespace p2plab {

/// How two devices are joined, nearest first.
enum class SmiPath { self, nvlink, pix, pxb, phb, node, sys };

struct SmiCell {
  SmiPath path = SmiPath::sys;
  int nvlinks = 0;  // of nvlink
  std::string word = {};
};

/// Rows and columns are the GPUs, then the network interfaces.
struct SmiMatrix {
  std::string name;
  std::string source;  // "topo.txt:2"
  std::size_t gpus = 0;
  std::vector<std::vector<SmiCell>> cells;
  std::vector<std::string> numa;  // by GPU: its NUMA node; empty if the text does not say
  std::vector<std::string> cpus;  // by GPU: its CPUs
  std::string gpu = {};           // of `nvidia-smi -L`, if the text has that, too
  std::string gpu_source = {};
  bool several_models = false;
  std::vector<std::pair<std::size_t, std::string>> names = {};  // of single GPUs, likewise
  std::vector<std::string> peers = {};                          // words of `topo -p2p`, row by row; empty if there is no such matrix
  std::string peers_source = {};
  std::vector<std::string> unused = {};  // sentences about matrices that say nothing of ways
};

/// Reads the text. Errors name line and column: no header, an unknown word, a missing row or cell, a matrix that is not symmetric, two matrices.
Result<SmiMatrix> read_smi(std::string_view text, const std::string& filename);

/// The number and name in a line of `nvidia-smi -L`: "GPU 0: NVIDIA L40S (UUID: ...)"; none of other lines.
std::optional<std::pair<std::size_t, std::string>> gpu_line(std::string_view line);

/// The GPUs by the text's own names.
struct NamedGpus {
  std::vector<const GpuModel*> own;  // by GPU; null where it has no name, or none that is known
  const GpuModel* model = nullptr;   // stands for all: of several one that may not reach others over PCIe, else the slowest
  std::vector<std::string> warnings = {};
};
NamedGpus named_gpus(const SmiMatrix& matrix);

/// The NUMA nodes or sockets of the GPUs, by words and numbers together.
struct SmiSockets {
  std::vector<NumaNode> hosts;
  std::vector<int> of_gpu;
  bool known = false;  // are these sockets already?
  std::vector<SourcedValue> values = {};
  std::vector<std::string> warnings = {};
};
/// Errors: an answer that is no list of groups of these GPUs.
Result<SmiSockets> smi_sockets(const SmiMatrix& matrix, const MachineAnswers& answers);

/// The machine of a matrix. Errors: an unknown GPU name in the answers, those of `smi_sockets`.
Result<Imported> build_machine(const SmiMatrix& matrix, const MachineAnswers& answers);

/// The fault of a text that is no matrix of nvidia-smi.
Error no_matrix(const std::string& filename);

}  // namespace p2plab
