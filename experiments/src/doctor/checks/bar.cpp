// SPDX-License-Identifier: Apache-2.0
// Resizable BAR: is the window through which others see a GPU's memory as large as the memory?
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_windows(const Patient& patient, Complaints& complaints) {
  if (!patient.peers_over_pcie()) return;
  std::vector<std::string> small;
  std::vector<std::string> evidence;
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    const auto window = patient.number(gpu.bus_id, reading::bar_largest);
    const auto memory = patient.number(gpu.bus_id, reading::memory_total);
    if (!window || !memory) {
      unread.push_back(gpu.name);
      continue;
    }
    // Firmware keeps some memory to itself, so a whole window may be a little smaller than it.
    if (*window >= *memory - *memory / 16) continue;
    small.push_back(gpu.name);
    evidence.push_back(
        fmt::format("{} (window {}, memory {})", patient.evidence(gpu.bus_id, reading::bar_largest), amount(*window), amount(*memory)));
  }
  if (!small.empty()) {
    complaints.add(
        {.finding = {.name = "bar.small",
                     .severity = Severity::risk,
                     .what = fmt::format("the window into the memory of {} is smaller than the memory: peers reach a part of it at a time",
                                         short_names(small)),
                     .no_worth = "not known: mappings move, which costs by what is used",
                     .evidence = std::move(evidence),
                     .remedies = {{"BIOS: Above 4G Decoding and Resizable BAR on, CSM off; workstation cards: displaymodeselector --gpumode compute",
                                   "old boards may not boot with many large windows"}}}});
  }
  if (!unread.empty())
    complaints.unread("bar.unread", "how large the window into the memory of " + short_names(unread) + " is",
                      {patient.evidence(patient.gpus().front().bus_id, reading::bar_largest),
                       patient.evidence(patient.gpus().front().bus_id, reading::memory_total)});
}

}  // namespace

Check bar() { return {"bar", "peers see all of a GPU's memory (Resizable BAR)", look_at_windows}; }

}  // namespace p2plab::doctor::checks
