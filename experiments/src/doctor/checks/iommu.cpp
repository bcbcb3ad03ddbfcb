// SPDX-License-Identifier: Apache-2.0
// Does an IOMMU translate what GPUs send to each other? Peer writes over PCIe may then be lost or slow, though the driver grants access.
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_groups(const Patient& patient, Complaints& complaints) {
  if (!patient.peers_over_pcie()) return;
  std::vector<std::string> translated;
  std::vector<std::string> evidence;
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    const auto type = patient.text(gpu.bus_id, reading::iommu_type);
    if (!type) {
      unread.push_back(gpu.name);
    } else if (type->starts_with("DMA")) {
      translated.push_back(gpu.name);
      evidence.push_back(patient.evidence(gpu.bus_id, reading::iommu_type));
    }
  }
  if (!translated.empty()) {
    evidence.push_back(patient.evidence(machine, reading::kernel_arguments));
    complaints.add(
        {.finding = {.name = "iommu.translates",
                     .severity = Severity::risk,
                     .what = fmt::format("the IOMMU translates for {}: peer accesses over PCIe may be lost, be slow or hang, though they are granted",
                                         short_names(translated)),
                     .no_worth = "none by links: whether data arrives is what p2plab doctor --probe cuda shows",
                     .evidence = std::move(evidence),
                     .remedies = {{"kernel argument iommu=pt (identity), or intel_iommu=off, amd_iommu=off; then reboot",
                                   "without translation a device may write anywhere; virtual machines that are given devices need it"}}}});
  }
  if (!unread.empty())
    complaints.unread("iommu.unread", "whether an IOMMU translates for " + short_names(unread),
                      {patient.evidence(patient.gpus().front().bus_id, reading::iommu_type)});
  if (patient.virtual_machine())
    complaints.unread("iommu.host", "IOMMU and ACS of the host: a virtual machine does not see them, and peer accesses go through them",
                      {patient.evidence(machine, reading::virtual_machine)}, {{"p2plab doctor --probe cuda", ""}});
}

}  // namespace

Check iommu() { return {"iommu", "no IOMMU translates peer accesses over PCIe", look_at_groups}; }

}  // namespace p2plab::doctor::checks
