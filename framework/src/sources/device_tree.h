// SPDX-License-Identifier: Apache-2.0
// What a description of a machine says, as plain values, between reading it and building the graph: NUMA nodes, the PCIe devices under them, and the
// links that GPUs have of their own. NCCL's file, texts of nvidia-smi and rocm-smi, and recorded facts all become one of these.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology_import.h"
#include "sources/tables/cpu_models.h"
#include "sources/tables/gpu_models.h"
#include "sources/tables/link_rates.h"
#include "sources/tables/switch_models.h"

namespace p2plab {

/// A bandwidth and how it is known.
struct Sourced {
  Bandwidth rate;
  Origin origin = Origin::read;
  std::string source = {};
  std::string key = {};
  Bandwidth least = {};
  Bandwidth most = {};
};

/// NVLinks or xGMI links from a GPU to whatever has this bus id.
struct DeviceLinks {
  std::string target;
  std::string target_class;  // PCI class; 0x068000: a switch, 0x068001: the host
  int count = 1;
  bool xgmi = false;
};

enum class DeviceKind { gpu, bridge, nic };

struct Device {
  DeviceKind kind = DeviceKind::bridge;
  std::string bus_id;
  int host = 0;                      // index of the NUMA node it lies under
  int parent = -1;                   // index of the bridge it lies behind; -1: directly at the host
  double transfers = 0;              // GT/s of its PCIe link, 0 if not told
  int width = 0;                     // PCIe lanes of it
  std::optional<Sourced> pcie = {};  // towards its parent; none if the description does not tell
  bool on_pcie = true;               // false for a network interface without a PCI device
  bool has_gpu_element = false;
  int dev = -1;
  int rank = -1;
  int part = -1;  // of a GPU that is several ranks; these have one bus id
  std::optional<int> compute_capability = {};
  std::string target_name = {};  // AMD's "gcn"
  std::vector<DeviceLinks> fabric_links = {};
  std::optional<Sourced> link_rate = {};       // of one of them, where something better than the capability tells it
  std::optional<Sourced> chip_to_chip = {};    // to the host
  std::vector<std::string> peer_bridges = {};  // <pcilink>
  Bandwidth network = {};                      // all ports of a network interface together
  bool network_assumed = false;
  const KnownSwitch* known_switch = nullptr;  // of a bridge
};

struct NumaNode {
  std::string machine;  // NUMA nodes of one server share it
  int system = 0;       // servers that one NVLink domain may span share it
  CpuModel cpu = {};
  int numa = -1;
};

struct DeviceTree {
  std::string name;
  std::string source;  // the file, for what was read from it
  std::vector<NumaNode> hosts = {};
  std::vector<Device> devices = {};       // a bridge comes before what lies behind it
  int unknown_devices = 0;                // neither class nor content: could be anything
  bool sockets_known = false;             // are hosts sockets already?
  std::vector<SourcedValue> values = {};  // further ones
  std::vector<std::string> words = {};    // between GPUs, in order of rank, row by row
  std::vector<std::string> warnings = {};
  const GpuModel* model = nullptr;      // of all GPUs, where it is named
  std::vector<std::string> peers = {};  // between GPUs as `words`: "OK", or why one may not reach the other's memory; empty: not told
  std::string peers_source = {};
  std::string peers_missing = "no matrix of 'nvidia-smi topo -p2p r' is given";  // where `peers` is empty
};

/// The graph of what was read. Where NVLinks join all GPUs, a peer access takes them: PCIe, hosts and NICs then carry nothing and are left out,
/// unless the answers ask for them. Between GPUs that may not reach each other's memory, every way passes a host, and so its memory. Errors: no GPU
/// can be recognised.
Result<Imported> build_machine(const DeviceTree& tree, const MachineAnswers& answers = {});

/// Which socket each NUMA node belongs to, from 0 on over all servers, and what had to be assumed for that.
struct Sockets {
  std::vector<int> of_host;
  int count = 0;
  std::vector<SourcedValue> values = {};
};
/// `gpus`: the NUMA node of each GPU, in order of rank. Errors: an answer that does not fit the machine.
Result<Sockets> find_sockets(const DeviceTree& tree, const std::vector<int>& gpus, const MachineAnswers& answers);

/// GPUs by groups as in "0-3|4-7", each once. Errors: what is wrong with the text.
Result<std::vector<int>> read_groups(const std::string& text, int gpus);

}  // namespace p2plab
