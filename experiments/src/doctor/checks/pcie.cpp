// SPDX-License-Identifier: Apache-2.0
// Width and speed of each GPU's PCIe link against what the GPU and what its slot can do.
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

std::vector<std::string> link_evidence(const Patient& patient, const PatientGpu& gpu) {
  std::vector<std::string> lines;
  for (const auto what : {reading::link_speed, reading::link_width, reading::link_speed_most, reading::link_width_most})
    lines.push_back(patient.evidence(gpu.bus_id, what));
  if (gpu.pci != nullptr && !gpu.pci->parent.empty()) {
    lines.push_back(patient.evidence(gpu.pci->parent, reading::link_speed_most));
    lines.push_back(patient.evidence(gpu.pci->parent, reading::link_width_most));
  }
  return lines;
}

// The device's link at this speed and width, where the facts have what the device could do.
Change link_at(const std::string& bus_id, double transfers, int lanes) {
  return [=](MachineFacts& facts) {
    for (auto& device : facts.pci) {
      if (device.bus_id != bus_id) continue;
      device.speed = fmt::format("{:.1f} GT/s PCIe", transfers);
      device.width = lanes;
    }
  };
}

void look_at_width(const Patient& patient, const PatientGpu& gpu, const PcieLink& link, Complaints& complaints) {
  if (link.now_lanes < link.best_lanes()) {
    complaints.add(
        {.finding = {.name = "pcie.narrow",
                     .severity = Severity::slow,
                     .what = fmt::format("{} runs on {} of {} PCIe lanes", gpu.name, link.now_lanes, link.best_lanes()),
                     .evidence = link_evidence(patient, gpu),
                     .remedies = {{"reseat the card, clean its contacts, try another riser or slot", "power off first"},
                                  {"BIOS: PCIe bifurcation of this slot (x16, not x8x8 or x4x4x4x4)", "other cards of the slot are gone"}}},
         .present = link_at(gpu.bus_id, link.own_gt, link.now_lanes)});
  } else if (link.slot_lanes > 0 && link.slot_lanes < link.own_lanes) {
    complaints.add({.finding = {.name = "pcie.slot_narrow",
                                .severity = Severity::note,
                                .what = fmt::format("{} has {} PCIe lanes, its slot gives {}", gpu.name, link.own_lanes, link.slot_lanes),
                                .evidence = link_evidence(patient, gpu),
                                .remedies = {{"a slot with more lanes (the board's manual says which share theirs)", ""}}},
                    .present = link_at(gpu.bus_id, link.own_gt, link.now_lanes)});
  }
}

void look_at_speed(const Patient& patient, const PatientGpu& gpu, const PcieLink& link, Complaints& complaints) {
  const auto awake = patient.awake(gpu);
  if (link.now_gt < link.best_gt()) {
    // GPUs slow their link down while they have nothing to do.
    if (awake.value_or(false)) {
      complaints.add({.finding = {.name = "pcie.slow",
                                  .severity = Severity::slow,
                                  .what = fmt::format("{}'s PCIe link runs at {:g} GT/s, it could at {:g}", gpu.name, link.now_gt, link.best_gt()),
                                  .evidence = link_evidence(patient, gpu),
                                  .remedies = {{"BIOS: the slot's PCIe speed to Auto or its highest; a riser or cable made for it",
                                                "a speed that a riser cannot keep makes errors: look at pcie_replays"}}},
                      .present = link_at(gpu.bus_id, link.now_gt, link.now_lanes)});
    } else if (!awake) {
      complaints.unread("pcie.idle",
                        fmt::format("whether {}'s PCIe link would run faster at work: now {:g} of {:g} GT/s", gpu.name, link.now_gt, link.best_gt()),
                        {patient.evidence(gpu.bus_id, reading::performance_state)});
    }
  } else if (link.slot_gt > 0 && link.slot_gt < link.own_gt) {
    complaints.add({.finding = {.name = "pcie.slot_slow",
                                .severity = Severity::note,
                                .what = fmt::format("{} could run at {:g} GT/s, its slot gives {:g}", gpu.name, link.own_gt, link.slot_gt),
                                .evidence = link_evidence(patient, gpu),
                                .remedies = {{"BIOS: the slot's PCIe speed, if the board is made for more", ""}}},
                    .present = link_at(gpu.bus_id, link.slot_gt, link.now_lanes)});
  }
}

// The uplink of a switch carries what all its GPUs send to others.
void look_at_uplinks(const Patient& patient, Complaints& complaints) {
  for (const auto& bridge : shared_bridges(patient.facts())) {
    const auto link = patient.link(bridge);
    if (!link || link->now_lanes >= link->best_lanes()) continue;
    complaints.add(
        {.finding = {.name = "pcie.uplink_narrow",
                     .severity = Severity::slow,
                     .what = fmt::format("the uplink of the PCIe switch {} runs on {} of {} lanes", bridge, link->now_lanes, link->best_lanes()),
                     .evidence = {patient.evidence(bridge, reading::link_width), patient.evidence(bridge, reading::link_width_most)},
                     .remedies = {{"reseat the board or cable that carries the switch; BIOS: bifurcation of its slot", "power off first"}}},
         .present = link_at(bridge, link->own_gt, link->now_lanes)});
  }
}

void look_at_replays(const Patient& patient, const PatientGpu& gpu, Complaints& complaints) {
  constexpr std::int64_t many = 1000;
  const auto replays = patient.number(gpu.bus_id, reading::pcie_replays);
  if (!replays || *replays < many) return;
  complaints.add(
      {.finding = {.name = "pcie.replays",
                   .severity = Severity::risk,
                   .what = fmt::format("{} of the packets of {}'s PCIe link were sent again: riser, contacts or cable", *replays, gpu.name),
                   .no_worth = "not known: by how often, which a second look tells",
                   .evidence = {patient.evidence(gpu.bus_id, reading::pcie_replays)},
                   .remedies = {{"reseat the card; another riser; one PCIe speed lower in the BIOS", "the last costs half of the rate"}}}});
}

void look_at_links(const Patient& patient, Complaints& complaints) {
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    look_at_replays(patient, gpu, complaints);
    const auto link = patient.link(gpu.bus_id);
    if (!link) {
      unread.push_back(gpu.name);
      continue;
    }
    look_at_width(patient, gpu, *link, complaints);
    look_at_speed(patient, gpu, *link, complaints);
  }
  look_at_uplinks(patient, complaints);
  if (!unread.empty())
    complaints.unread("pcie.unread", "width and speed of the PCIe links of " + short_names(unread),
                      {patient.evidence(patient.gpus().front().bus_id, reading::link_width), "a virtual machine hides them"});
}

}  // namespace

Check pcie() { return {"pcie", "PCIe links have the width and speed that GPU and slot can do", look_at_links}; }

}  // namespace p2plab::doctor::checks
