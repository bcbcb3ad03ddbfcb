// SPDX-License-Identifier: Apache-2.0
// Topologies from what other programs write: NCCL's topology XML, InfraGraph, ibnetdiscover's fabrics, the texts of `nvidia-smi topo`, `rocm-smi
// --showtopo` and `amd-smi topology`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

/// A machine, and what its description left open: sentences for the user. The topology's `sources` say the same number by number.
struct Imported {
  Topology topology;
  std::vector<std::string> warnings = {};
};

/// Reads an NCCL topology file (NCCL_TOPO_DUMP_FILE, NCCL_TOPO_FILE; also RCCL's). NVLinks get their nominal data rate of one direction:
/// 25 GB/s an NVLink (compute capability 6.x: 20, 8.6: 14.0625, from 10.0 on: 50), where NCCL calculates with less; xGMI links 46 GB/s
/// (gfx90a: 50, gfx94x: 64). All NVSwitches of a server are one node, as in NCCL, and all of an NVLink domain of several servers. Several `<gpu>` in
/// one `<pci>` are ranks that share a GPU's links. Where NVLinks join all GPUs, PCIe, hosts and NICs carry nothing and are left out; else PCIe links
/// get lanes times transfer rate, net of line coding, and NUMA nodes become sockets, joined at NCCL's figures for the CPU. GPUs come by host and
/// rank; where no `gpu` elements are, they are known by their PCI class and come by bus id. Errors say what is missing; nothing in the file is ever
/// expanded.
Result<Imported> import_nccl_xml(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Reads the text of `nvidia-smi topo -m` or `-mp`, and the matrix of `-p2p` after it if there is one. NV# is a number of NVLinks: of each pair if
/// GPUs are joined directly, of each GPU if they are joined by NVSwitches. GPUs that NV# joins all to all are taken as switched if their lanes to all
/// others together exceed what the GPU has (18 if it is not known), or if a pair has 8 lanes or more in a group of three or more; otherwise as
/// direct. The PCIe part is built from words and numbers of NUMA nodes and CPUs together: PIX, PSB and PXB share a switch; PHB, NODE and equal
/// numbers a socket; of more than two NUMA nodes a socket has several; where neither words nor numbers tell, that is said. Network interfaces change
/// no way between GPUs. Errors name line and column.
Result<Imported> import_smi(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Reads the tables of `rocm-smi --showtopo` or `amd-smi topology`: link types, weights (15 a direct xGMI link), NUMA nodes, access.
Result<Imported> import_rocm(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Either of the two, or a fabric of ibnetdiscover's, by what the text looks like.
Result<Imported> import_text(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Reads an infrastructure of InfraGraph (Keysight; ASTRA-sim 3), YAML or JSON, alone or within what its service answers: devices and instances are
/// expanded, edges become links both ways. xpu are GPUs, cpu hosts, nic NICs; switches, ports and custom components are what their links make them;
/// memory is left out. Kinds of links follow from names ("nvlink", "pcie"); a bandwidth counts for each direction, transfers for 16 lanes, aloud.
/// Errors: all mistakes with line and column; an NVLink without bandwidth that no answer tells.
Result<Imported> import_infragraph(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Reads a fabric as `ibnetdiscover` prints it. Each host that adapters' descriptions name ("node01 mlx5_0") is a server as `answers.server` says: a
/// preset or a file. Its adapters are NICs, shared out among the GPUs in order; where there are more of them than GPUs, the fastest are taken, aloud.
/// Cables have the rate of their width and speed; those between two switches are one link. Nodes are called node01.gpu0, node01.mlx5_0. Errors: lines
/// with their places; no server given; no host named; more hosts of such servers
/// than a machine has.
Result<Imported> import_ibnetdiscover(std::string_view text, const std::string& filename, const MachineAnswers& answers = {});

/// Is there such a file?
bool is_infragraph_file(const std::string& path);

/// The same from files; also errors of reading them.
Result<Imported> load_nccl_xml(const std::string& path, const MachineAnswers& answers = {});
Result<Imported> load_smi(const std::string& path, const MachineAnswers& answers = {});
Result<Imported> load_infragraph(const std::string& path, const MachineAnswers& answers = {});
Result<Imported> load_ibnetdiscover(const std::string& path, const MachineAnswers& answers = {});

}  // namespace p2plab
