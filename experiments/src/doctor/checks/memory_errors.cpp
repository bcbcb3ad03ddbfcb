// SPDX-License-Identifier: Apache-2.0
// Memory that gave wrong data, and rows that wait to be replaced.
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

void bad(const Patient& patient, const PatientGpu& gpu, std::string_view what, std::string name, std::string sentence, Remedy remedy,
         Complaints& complaints) {
  complaints.add({.finding = {.name = std::move(name),
                              .severity = Severity::fault,
                              .what = std::move(sentence),
                              .no_worth = "none: data is wrong or jobs end, it is not slow",
                              .evidence = {patient.evidence(gpu.bus_id, what)},
                              .remedies = {std::move(remedy)}}});
}

void look_at_memory(const Patient& patient, Complaints& complaints) {
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    if (const auto errors = patient.number(gpu.bus_id, reading::ecc_uncorrected); errors.value_or(0) > 0)
      bad(patient, gpu, reading::ecc_uncorrected, "memory.uncorrected",
          fmt::format("{} had {} errors of memory that could not be corrected", gpu.name, *errors),
          {"nvidia-smi -q -d ECC,ROW_REMAPPER; dmesg | grep -i xid; nvidia-smi -r", "a reset ends every process on the GPU"}, complaints);
    if (patient.number(gpu.bus_id, reading::remap_pending).value_or(0) > 0)
      bad(patient, gpu, reading::remap_pending, "memory.remap_pending", fmt::format("rows of {}'s memory wait to be replaced", gpu.name),
          {"nvidia-smi -r -i " + gpu.bus_id, "a reset ends every process on the GPU"}, complaints);
    if (patient.number(gpu.bus_id, reading::remap_failed).value_or(0) > 0)
      bad(patient, gpu, reading::remap_failed, "memory.remap_failed", fmt::format("{} has no rows left to replace bad memory", gpu.name),
          {"have the GPU replaced (nvidia-smi -q -d ROW_REMAPPER is what support asks for)", ""}, complaints);
    // GPUs without ECC answer that they do not tell; that is how they are made.
    const auto* asked = patient.find(gpu.bus_id, reading::ecc_uncorrected);
    if (asked == nullptr) unread.push_back(gpu.name);
  }
  if (!unread.empty())
    complaints.unread("memory.unread", "errors of the memory of " + short_names(unread),
                      {patient.evidence(patient.gpus().front().bus_id, reading::ecc_uncorrected)});
}

}  // namespace

Check memory_errors() { return {"memory_errors", "GPU memory gave no wrong data", look_at_memory}; }

}  // namespace p2plab::doctor::checks
