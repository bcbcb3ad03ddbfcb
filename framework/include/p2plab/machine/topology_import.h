// SPDX-License-Identifier: Apache-2.0
// Topologies from what other programs write: NCCL's topology XML and `nvidia-smi topo -m`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A machine, and what its description left open: sentences for the user.
struct Imported {
  Topology topology;
  std::vector<std::string> warnings = {};
};

/// Reads an NCCL topology file (NCCL_TOPO_DUMP_FILE, NCCL_TOPO_FILE; also RCCL's). NVLinks get their nominal data rate of one direction:
/// 25 GB/s a lane (compute capability 6.x: 20, 8.6: 14.0625, from 10.0 on: 50), where NCCL calculates with less; xGMI links 46 GB/s
/// (gfx90a: 50, gfx94x: 64). All NVSwitches of a host are one node, as in NCCL. PCIe links get lanes times transfer rate, net of line coding.
/// Every `cpu` is a host node; hosts of one machine are joined by links of NCCL's inter-socket figures. GPUs come by host and rank; where no
/// `gpu` elements are, they are known by their PCI class and come by bus id. Errors say what is missing; nothing in the file is ever expanded.
Result<Imported> import_nccl_xml(std::string_view text, const std::string& filename);

struct SmiOptions {
  /// The GPU's name ("h200", "a100", "v100", ...): sets lanes, rate per lane and PCIe rate, which the text does not tell. Empty: guessed.
  std::string gpu = {};
};

/// Reads the text of `nvidia-smi topo -m`. NV# is a number of lanes: of each pair if GPUs are joined directly, of each GPU if they are joined
/// by NVSwitches. GPUs that NV# joins all to all are taken as switched if their lanes to all others together exceed what the GPU has
/// (18 if it is not known), or if a pair has 8 lanes or more in a group of three or more; otherwise as direct.
/// The PCIe part is built from the words: PIX and PXB share a switch, PHB and NODE a host, SYS goes between hosts.
/// Errors name line and column.
Result<Imported> import_smi(std::string_view text, const std::string& filename, const SmiOptions& options = {});

/// The same from files; also errors of reading them.
Result<Imported> load_nccl_xml(const std::string& path);
Result<Imported> load_smi(const std::string& path, const SmiOptions& options = {});

}  // namespace p2plab
