// SPDX-License-Identifier: Apache-2.0
// May this process open the files through which CUDA speaks to the driver?
#include <algorithm>

#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_files(const Patient& patient, Complaints& complaints) {
  bool asked = false;
  for (const auto& one : patient.facts().readings) {
    if (one.what != reading::usable) continue;
    asked = true;
    if (one.value == "1") continue;
    const bool absent = one.source.find("No such file") != std::string::npos;
    const auto remedy = absent ? Remedy{"nvidia-modprobe -u -c=0; in a container: --gpus all, or --device " + one.subject, ""}
                               : Remedy{"chmod 0666 " + one.subject + ", or the option NVreg_DeviceFileMode=0666 of the module nvidia",
                                        "everybody on the machine may then use the GPU"};
    complaints.add({.finding = {.name = absent ? "permissions.absent" : "permissions.denied",
                                .severity = Severity::fault,
                                .what = fmt::format("{} {}", one.subject, absent ? "does not exist" : "may not be read and written by this user"),
                                .no_worth = "not known: its GPU, or all of them, cannot be used",
                                .evidence = {evidence_of(one)},
                                .remedies = {remedy}}});
  }
  if (!asked) complaints.unread("permissions.unread", "whether device files can be opened", {"no reading of /dev/nvidia*"});
}

}  // namespace

Check permissions() { return {"permissions", "the driver's device files can be opened", look_at_files}; }

}  // namespace p2plab::doctor::checks
