// SPDX-License-Identifier: Apache-2.0
// What an NCCL topology file says, as plain values, between reading the XML and building the graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/machine/topology_import.h"
#include "sources/link_rates.h"

namespace p2plab {

/// An <nvlink> or <xgmi> element: lanes from a GPU to whatever has this bus id.
struct NcclLanes {
  std::string target;
  std::string target_class;
  int count = 1;
  bool xgmi = false;
};

enum class NcclDeviceKind { gpu, bridge, nic };

struct NcclDevice {
  NcclDeviceKind kind = NcclDeviceKind::bridge;
  std::string bus_id;
  int host = 0;                   // index of the <cpu> it lies under
  int parent = -1;                // index of the bridge it lies behind; -1: directly at the host
  std::optional<Bandwidth> pcie;  // towards its parent; none if the file does not tell
  bool on_pcie = true;            // false for a network interface without a PCI device
  bool has_gpu_element = false;
  int dev = -1;
  int rank = -1;
  std::optional<int> compute_capability = {};
  std::string target_name = {};  // AMD's "gcn"
  std::vector<NcclLanes> lanes = {};
  std::optional<Bandwidth> chip_to_chip = {};  // <c2c>: to the host
  std::vector<std::string> peer_bridges = {};  // <pcilink>
  Bandwidth network;                           // all ports of a network interface together
};

struct NcclHost {
  std::string machine;  // hosts of one machine share it
  CpuModel cpu;
};

struct NcclMachine {
  std::string name;
  std::vector<NcclHost> hosts;
  std::vector<NcclDevice> devices;  // a bridge comes before what lies behind it
  int unknown_devices = 0;          // neither class nor content: could be anything
};

/// The graph of what was read. Errors: no GPU can be recognised.
Result<Imported> build_machine(const NcclMachine& machine);

}  // namespace p2plab
