// SPDX-License-Identifier: Apache-2.0
// Facts from /sys and /proc. Each device's folder is a link into the tree of buses, so its path names the bridges above it.
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

#include "detect/gather.h"

namespace p2plab::detect {

namespace {

namespace fs = std::filesystem;

std::string line_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

int number_of(const std::string& text, int fallback) {
  int value = fallback;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "0000:00:06.0"
bool is_bus_id(const std::string& name) { return name.size() == 12 && name[4] == ':' && name[7] == ':' && name[10] == '.'; }

// The folders below `folder`, in order of name.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(folder, fault)) all.push_back(entry.path());
  std::ranges::sort(all);
  return all;
}

class PciTree {
 public:
  explicit PciTree(MachineFacts& facts) : facts_(facts) {}

  /// Adds a device and the bridges above it; true if it is on PCIe.
  bool add(const fs::path& folder) {
    std::error_code fault;
    const auto real = fs::canonical(folder, fault);
    if (fault) return false;
    std::string parent;
    fs::path place;
    bool found = false;
    for (const auto& part : real) {
      place /= part;
      const auto name = part.string();
      if (!is_bus_id(name)) continue;
      add_one(place, name, parent);
      parent = name;
      found = true;
    }
    last_ = parent;
    return found;
  }
  const std::string& last() const { return last_; }

 private:
  void add_one(const fs::path& place, const std::string& bus_id, const std::string& parent) {
    if (!known_.insert(bus_id).second) return;
    facts_.pci.push_back({.bus_id = bus_id,
                          .parent = parent,
                          .device_class = line_of(place / "class"),
                          .vendor = line_of(place / "vendor"),
                          .speed = line_of(place / "max_link_speed"),
                          .width = number_of(line_of(place / "max_link_width"), 0),
                          .numa = number_of(line_of(place / "numa_node"), -1),
                          .device = line_of(place / "device")});
  }

  MachineFacts& facts_;
  std::set<std::string> known_;
  std::string last_;
};

void add_gpus(const fs::path& sys, PciTree& tree) {
  for (const auto& device : entries(sys / "bus/pci/devices")) {
    const auto device_class = line_of(device / "class");
    if (line_of(device / "vendor") == "0x10de" && device_class.starts_with("0x03")) tree.add(device);
  }
}

// InfiniBand where there is any, else the ordinary interfaces that have a device.
void add_networks(MachineFacts& facts, const fs::path& sys, PciTree& tree) {
  for (const auto& device : entries(sys / "class/infiniband")) {
    const bool on_pcie = tree.add(device / "device");
    int megabits = 0;
    for (const auto& port : entries(device / "ports")) megabits += 1000 * number_of(line_of(port / "rate"), 0);  // "400 Gb/sec (4X NDR)"
    facts.networks.push_back({device.filename().string(), on_pcie ? tree.last() : "", megabits});
  }
  if (!facts.networks.empty()) return;
  for (const auto& device : entries(sys / "class/net")) {
    std::error_code fault;
    if (!fs::exists(device / "device", fault)) continue;
    const bool on_pcie = tree.add(device / "device");
    facts.networks.push_back({device.filename().string(), on_pcie ? tree.last() : "", std::max(0, number_of(line_of(device / "speed"), 0))});
  }
}

CpuFact cpu_of(const fs::path& proc) {
  CpuFact cpu;
  utsname system{};
  if (uname(&system) == 0) cpu.arch = system.machine;
  std::ifstream in(proc / "cpuinfo");
  for (std::string line; std::getline(in, line) && !line.empty();) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const auto value = line.substr(colon + 2);
    if (line.starts_with("vendor_id")) cpu.vendor = value;
    if (line.starts_with("cpu family")) cpu.family = number_of(value, 0);
    if (line.starts_with("model\t") || line.starts_with("model ")) cpu.model = line.starts_with("model name") ? cpu.model : number_of(value, 0);
  }
  return cpu;
}

}  // namespace

void add_system(MachineFacts& facts, const std::string& root) {
  const fs::path top(root);
  PciTree tree(facts);
  add_gpus(top / "sys", tree);
  add_networks(facts, top / "sys", tree);
  facts.cpu = cpu_of(top / "proc");
  const auto host = line_of(top / "proc/sys/kernel/hostname");
  if (!host.empty()) facts.name = host;
}

}  // namespace p2plab::detect
