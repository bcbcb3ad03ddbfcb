// SPDX-License-Identifier: Apache-2.0
// Bridges that send what GPUs exchange up to the root instead of across.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

// By bridge that is above several GPUs: the ports below it on the way to them.
std::map<std::string, std::set<std::string>> ports_of_switches(const Patient& patient) {
  std::map<std::string, std::set<std::string>> ports;
  const auto shared = shared_bridges(patient.facts());
  for (const auto& gpu : patient.gpus()) {
    std::string below;
    for (const auto& bridge : patient.bridges_above(gpu.bus_id)) {
      // Directly below a shared bridge; the GPU itself is no port.
      if (shared.contains(bridge) && !below.empty()) ports[bridge].insert(below);
      below = bridge;
    }
  }
  // The ports of a switch are several; a shared bridge above another shared one has just that below it.
  std::erase_if(ports, [](const auto& one) { return one.second.size() < 2; });
  return ports;
}

// The way of what is redirected is that of pairs without peer access: up to the root, and down.
Change apart(const Patient& patient, const std::string& bridge) {
  std::vector<std::size_t> below;
  for (std::size_t g = 0; g < patient.gpus().size(); ++g) {
    const auto above = patient.bridges_above(patient.gpus()[g].bus_id);
    if (std::ranges::find(above, bridge) != above.end()) below.push_back(g);
  }
  std::set<std::pair<int, int>> pairs;
  for (const auto a : below) {
    for (const auto b : below) {
      if (a != b && !patient.over_nvlink(a, b)) pairs.emplace(static_cast<int>(a), static_cast<int>(b));
    }
  }
  return [pairs](MachineFacts& facts) {
    for (auto& peer : facts.peers) {
      if (pairs.contains({peer.from, peer.to})) peer.access = false;
    }
  };
}

void look_at_switches(const Patient& patient, Complaints& complaints) {
  if (patient.all_over_nvlink()) return;  // nothing goes over PCIe
  std::vector<std::string> unread;
  for (const auto& [bridge, ports] : ports_of_switches(patient)) {
    std::vector<std::string> redirected;
    std::vector<std::string> evidence;
    for (const auto& port : ports) {
      const auto on = patient.number(port, reading::acs_redirect);
      if (!on) unread.push_back(port);
      if (on.value_or(0) != 1) continue;
      redirected.push_back(port);
      evidence.push_back(patient.evidence(port, reading::acs_redirect));
    }
    if (redirected.empty()) continue;
    std::vector<Remedy> remedies{{"BIOS: ACS off (often beside IOMMU or SR-IOV)", "virtual machines that are given single GPUs lose their parting"}};
    for (const auto& port : redirected)
      remedies.push_back(
          {fmt::format("setpci -s {} ECAP_ACS+0x6.w=0000", port), "until the next boot; never where virtual machines hold these GPUs"});
    complaints.add({.finding = {.name = "acs.redirect",
                                .severity = Severity::slow,
                                .what = fmt::format("ACS is on at {} below {}: what its GPUs exchange goes up to the root and down again",
                                                    fmt::join(redirected, ", "), bridge),
                                .evidence = std::move(evidence),
                                .remedies = std::move(remedies)},
                    .present = apart(patient, bridge)});
  }
  if (!unread.empty())
    complaints.unread("acs.unread", fmt::format("whether ACS redirects at {}", fmt::join(unread, ", ")),
                      {patient.evidence(unread.front(), reading::acs_redirect)},
                      {{"sudo p2plab doctor --record FILE, then p2plab doctor --facts FILE", ""}});
}

}  // namespace

Check acs() { return {"acs", "PCIe switches let GPUs exchange data without the root (ACS)", look_at_switches}; }

}  // namespace p2plab::doctor::checks
