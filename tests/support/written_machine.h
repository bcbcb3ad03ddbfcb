// SPDX-License-Identifier: Apache-2.0
// Machines as other programs would describe them: the text of nvidia-smi topo -m and NCCL's topology XML of a topology. Only for single servers.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::test {

struct WrittenAs {
  Bandwidth link = GBps(25);
  int compute_capability = 90;
  std::vector<std::string> numa = {};  // names of NUMA nodes by socket, one or several (NPS): GPUs of a socket take them in turn
  int nics = 0;                        // rows and columns of network interfaces, SYS to all
  bool last_column = true;             // GPU NUMA ID
  std::string gcn = {};                // AMD's: "gfx942"; then links of the kind `other` are xGMI
};

inline int links_between(const Topology& machine, Rank a, Rank b, Bandwidth each, LinkKind kind = LinkKind::nvlink) {
  std::int64_t direct = 0;
  std::int64_t switched = 0;
  const auto to_switch = [&](Rank rank) {
    std::int64_t sum = 0;
    for (const auto id : machine.out_links(machine.node_of(rank))) {
      if (machine.node(machine.link(id).to).kind == NodeKind::nvswitch) sum += machine.link(id).bandwidth.bytes_per_second();
    }
    return sum;
  };
  for (const auto id : machine.out_links(machine.node_of(a))) {
    const auto& link = machine.link(id);
    if (link.to == machine.node_of(b) && link.kind == kind) direct += link.bandwidth.bytes_per_second();
  }
  switched = std::min(to_switch(a), to_switch(b));
  return static_cast<int>((direct + switched) / each.bytes_per_second());
}

// By rank, the number of its host among the hosts; 0 where the machine has none.
inline std::vector<int> sockets_of(const Topology& machine) {
  const auto& routes = machine.routes();
  std::vector<NodeId> hosts;
  std::vector<int> sockets;
  for (std::int64_t r = 0; r < machine.ranks(); ++r) {
    const auto host = routes.host_of(Rank{r});
    if (!host) {
      sockets.push_back(0);
      continue;
    }
    auto place = std::ranges::find(hosts, *host);
    if (place == hosts.end()) place = hosts.insert(hosts.end(), *host);
    sockets.push_back(static_cast<int>(place - hosts.begin()));
  }
  return sockets;
}

inline std::string smi_text(const Topology& machine, const WrittenAs& as) {
  const auto sockets = sockets_of(machine);
  const auto gpus = machine.ranks();
  std::string text;
  for (int g = 0; g < gpus; ++g) text += "\tGPU" + std::to_string(g);
  for (int n = 0; n < as.nics; ++n) text += "\tNIC" + std::to_string(n);
  text += std::string{"\tCPU Affinity\tNUMA Affinity"} + (as.last_column ? "\tGPU NUMA ID" : "") + "\n";
  std::vector<int> seen(static_cast<std::size_t>(gpus) + 1);
  for (int a = 0; a < gpus; ++a) {
    text += "GPU" + std::to_string(a);
    for (int b = 0; b < gpus; ++b) {
      const auto lanes = a == b ? 0 : links_between(machine, Rank{a}, Rank{b}, as.link);
      const auto word = route_word(machine, Rank{a}, Rank{b});
      text += a == b ? "\t X " : "\t" + (lanes > 0 ? "NV" + std::to_string(lanes) : word == "-" ? "SYS" : word);
    }
    for (int n = 0; n < as.nics; ++n) text += "\tSYS";
    const auto socket = static_cast<std::size_t>(sockets[static_cast<std::size_t>(a)]);
    auto numa = std::to_string(socket);
    if (!as.numa.empty()) {
      const auto each = as.numa.size() / 2;
      numa = as.numa[socket * each + static_cast<std::size_t>(seen[socket]++) % each];
    }
    text += "\t" + std::to_string(16 * socket) + "-" + std::to_string(16 * socket + 15) + "\t" + numa + (as.last_column ? "\t\tN/A" : "") + "\n";
  }
  for (int n = 0; n < as.nics; ++n) {
    text += "NIC" + std::to_string(n);
    for (int k = 0; k < gpus + as.nics; ++k) text += k == gpus + n ? "\t X " : "\tSYS";
    text += "\t\t\t\n";
  }
  return text + "\nLegend:\n\n  X    = Self\n";
}

inline std::string bus_of(int gpu) {
  constexpr auto digits = "0123456789abcdef";
  return std::string{"0000:"} + digits[gpu / 16 % 16] + digits[gpu % 16] + ":00.0";
}

// GPUs straight at their sockets, or behind a bridge of their own switch.
inline std::string nccl_text(const Topology& machine, const WrittenAs& as) {
  const auto sockets = sockets_of(machine);
  const auto count = *std::ranges::max_element(sockets) + 1;
  std::string text = "<system version=\"1\">\n";
  for (int s = 0; s < count; ++s) {
    text += "<cpu host_hash=\"0x1\" numaid=\"" + std::to_string(s) + "\" arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" modelid=\"143\">\n";
    std::string bridge;
    for (int g = 0; g < machine.ranks(); ++g) {
      if (sockets[static_cast<std::size_t>(g)] != s) continue;
      std::string above;
      for (const auto id : machine.out_links(machine.node_of(Rank{g}))) {
        const auto& node = machine.node(machine.link(id).to);
        if (node.kind == NodeKind::pcie_switch) above = node.name;
      }
      if (above != bridge) {
        text += bridge.empty() ? "" : "</pci>\n";
        if (!above.empty()) text += "<pci busid=\"" + above + "\" class=\"0x060400\">\n";
        bridge = above;
      }
      const bool amd = !as.gcn.empty();
      text += "<pci busid=\"" + bus_of(g) + (amd ? "\" class=\"0x120000\" vendor=\"0x1002\"" : "\" class=\"0x030200\" vendor=\"0x10de\"") +
              "><gpu dev=\"" + std::to_string(g) + "\" sm=\"" + std::to_string(as.compute_capability) + "\" rank=\"" + std::to_string(g) +
              (amd ? "\" gcn=\"" + as.gcn : "") + "\">";
      int to_switch = 0;
      for (int b = 0; b < machine.ranks(); ++b) {
        const auto lanes = g == b ? 0 : links_between(machine, Rank{g}, Rank{b}, as.link, amd ? LinkKind::other : LinkKind::nvlink);
        const bool hub = std::ranges::find(machine.nodes(), NodeKind::nvswitch, &Node::kind) != machine.nodes().end();
        if (hub)
          to_switch = std::max(to_switch, lanes);
        else if (lanes > 0)
          text += (amd ? "<xgmi target=\"" : "<nvlink target=\"") + bus_of(b) + "\" count=\"" + std::to_string(lanes) + "\" tclass=\"0x030200\"/>";
      }
      if (to_switch > 0) text += "<nvlink target=\"fffffff:ff:ff.0\" count=\"" + std::to_string(to_switch) + "\" tclass=\"0x068000\"/>";
      text += "</gpu></pci>\n";
    }
    text += bridge.empty() ? "</cpu>\n" : "</pci>\n</cpu>\n";
  }
  return text + "</system>\n";
}

// What the live machine would say: NVML's links, CUDA's peers, sysfs' tree without speeds.
inline MachineFacts facts_of(const Topology& machine, const WrittenAs& as, const std::string& gpu) {
  MachineFacts facts{.name = machine.name(), .cpu = {"x86_64", "GenuineIntel", 6, 143}};
  const auto sockets = sockets_of(machine);
  const bool hub = std::ranges::find(machine.nodes(), NodeKind::nvswitch, &Node::kind) != machine.nodes().end();
  for (int g = 0; g < machine.ranks(); ++g) {
    const auto numa = sockets[static_cast<std::size_t>(g)];
    NvmlGpu nvml{.bus_id = bus_of(g), .name = gpu, .compute_capability = as.compute_capability};
    int to_switch = 0;
    for (int b = 0; b < machine.ranks(); ++b) {
      const auto lanes = g == b ? 0 : links_between(machine, Rank{g}, Rank{b}, as.link);
      if (hub) to_switch = std::max(to_switch, lanes);
      for (int l = 0; l < lanes && !hub; ++l) nvml.links.push_back({static_cast<int>(nvml.links.size()), true, bus_of(b), "gpu"});
      if (g != b) facts.peers.push_back({g, b, true, true, 0});
    }
    for (int l = 0; l < to_switch; ++l) nvml.links.push_back({l, true, "ffffffff:ff:ff.0", "switch"});
    facts.nvml.push_back(nvml);
    facts.cuda.push_back({bus_of(g), gpu, as.compute_capability, 100, numa});
    std::string above;
    for (const auto id : machine.out_links(machine.node_of(Rank{g}))) {
      const auto& node = machine.node(machine.link(id).to);
      if (node.kind == NodeKind::pcie_switch) above = node.name;
    }
    if (!above.empty() && std::ranges::find(facts.pci, above, &PciFact::bus_id) == facts.pci.end())
      facts.pci.push_back({.bus_id = above, .device_class = "0x060400", .numa = numa});
    facts.pci.push_back({.bus_id = bus_of(g), .parent = above, .device_class = "0x030200", .vendor = "0x10de", .numa = numa});
  }
  return facts;
}

}  // namespace p2plab::test
