// SPDX-License-Identifier: Apache-2.0
// Who else uses the GPUs, and whether they may be used at all.
#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_mode(const Patient& patient, const PatientGpu& gpu, Complaints& complaints) {
  const auto mode = patient.number(gpu.bus_id, reading::compute_mode);
  if (mode.value_or(0) == 2)
    complaints.add(
        {.finding = {.name = "sharing.prohibited",
                     .severity = Severity::fault,
                     .what = fmt::format("{} is in compute mode Prohibited: no program may use it", gpu.name),
                     .no_worth = "all of this GPU",
                     .evidence = {patient.evidence(gpu.bus_id, reading::compute_mode)},
                     .remedies = {{fmt::format("nvidia-smi -i {} -c DEFAULT", gpu.bus_id), "somebody keeps it free on purpose, perhaps"}}}});
  if (patient.number(gpu.bus_id, reading::mig).value_or(0) == 1)
    complaints.add({.finding = {.name = "sharing.mig",
                                .severity = Severity::fault,
                                .what = fmt::format("{} is cut into instances (MIG): they have no peer access and no NVLink", gpu.name),
                                .no_worth = "all exchange between GPUs",
                                .evidence = {patient.evidence(gpu.bus_id, reading::mig)},
                                .remedies = {{fmt::format("nvidia-smi -i {} -mig 0", gpu.bus_id), "ends what runs in its instances"}}}});
}

void look_at_others(const Patient& patient, Complaints& complaints) {
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    look_at_mode(patient, gpu, complaints);
    const auto others = patient.text(gpu.bus_id, reading::processes);
    const auto used = patient.number(gpu.bus_id, reading::memory_used);
    if (!others) {
      unread.push_back(gpu.name);
      continue;
    }
    if (!others->empty()) {
      complaints.add(
          {.finding = {.name = "sharing.processes",
                       .severity = Severity::risk,
                       .what = fmt::format("{} is also used by {}: times vary, and memory may not suffice", gpu.name, *others),
                       .no_worth = "not known: by what they do",
                       .evidence = {patient.evidence(gpu.bus_id, reading::processes)},
                       .remedies = {{"nvidia-smi; end them by whoever owns them, or choose others by CUDA_VISIBLE_DEVICES", "their work is lost"}}}});
    } else if (constexpr std::int64_t much = std::int64_t{4} << 30; used.value_or(0) > much) {
      complaints.add(
          {.finding = {.name = "sharing.hidden",
                       .severity = Severity::risk,
                       .what = fmt::format("{} of {}'s memory are in use, by no process that can be seen from here", amount(*used), gpu.name),
                       .no_worth = "not known: by what they do",
                       .evidence = {patient.evidence(gpu.bus_id, reading::memory_used), patient.evidence(gpu.bus_id, reading::processes)},
                       .remedies = {{"nvidia-smi outside of the container; fuser -v /dev/nvidia*", ""}}}});
    }
  }
  if (!unread.empty())
    complaints.unread("sharing.unread", "who else uses " + short_names(unread),
                      {patient.evidence(patient.gpus().front().bus_id, reading::processes)});
}

}  // namespace

Check sharing() { return {"sharing", "nobody else uses the GPUs, and they may be used", look_at_others}; }

}  // namespace p2plab::doctor::checks
