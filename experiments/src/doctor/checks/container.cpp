// SPDX-License-Identifier: Apache-2.0
// Is this a container, and does it show of the machine what others need to see?
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

void look_around(const Patient& patient, Complaints& complaints) {
  const auto kind = patient.text(machine, reading::container);
  if (!kind) return complaints.unread("container.unread", "whether this is a container", {patient.evidence(machine, reading::container)});
  if (kind->empty()) return;
  const auto evidence = std::vector{patient.evidence(machine, reading::container)};
  std::vector<std::string> hidden;
  for (const auto& gpu : patient.gpus()) {
    if (gpu.pci == nullptr) hidden.push_back(gpu.name);
  }
  if (!hidden.empty()) {
    complaints.add(
        {.finding = {
             .name = "container.hides_pcie",
             .severity = Severity::risk,
             .what = fmt::format("this container ({}) does not show {} in /sys: NCCL and p2plab then guess how they are joined", *kind,
                                 short_names(hidden)),
             .no_worth = only_a_risk,
             .evidence = evidence,
             .remedies = {
                 {"mount /sys read-only as it is outside; or NCCL_TOPO_FILE of a file written outside (p2plab export --format nccl-topo)", ""}}}});
  }
  complaints.add(
      {.finding = {.name = "container.inside",
                   .severity = Severity::note,
                   .what = fmt::format("inside a container ({}): processes of others, host settings and some limits are not seen from here", *kind),
                   .no_worth = "none: limits are judged by themselves",
                   .evidence = evidence}});
}

}  // namespace

Check container() { return {"container", "a container shows what the machine is", look_around}; }

}  // namespace p2plab::doctor::checks
