// SPDX-License-Identifier: Apache-2.0
// Is the driver there, does CUDA start, do the two agree?
#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

void look_at_driver(const Patient& patient, Complaints& complaints) {
  const auto& facts = patient.facts();
  if (!facts.cuda_missing.empty()) {
    complaints.add({.finding = {.name = "driver.cuda",
                                .severity = Severity::fault,
                                .what = "CUDA does not start, so no program can use these GPUs: " + facts.cuda_missing,
                                .no_worth = "all: nothing runs",
                                .evidence = {"CUDA: " + facts.cuda_missing, patient.evidence(machine, reading::driver_module)},
                                .remedies = {{"nvidia-smi", ""}, {"in a container: start it with --gpus all (NVIDIA container toolkit)", ""}}}});
  }
  if (!facts.nvml_missing.empty()) {
    complaints.add({.finding = {.name = "driver.nvml",
                                .severity = Severity::risk,
                                .what = "NVML tells nothing, so NVLinks, clocks, errors and other users cannot be seen",
                                .no_worth = only_a_risk,
                                .evidence = {"NVML: " + facts.nvml_missing},
                                .remedies = {{"install the driver's libnvidia-ml.so.1 (Debian: libnvidia-ml1); in a container set "
                                              "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
                                              ""}}}});
  }
  if (patient.number(machine, reading::nouveau).value_or(0) == 1) {
    complaints.add({.finding = {.name = "driver.nouveau",
                                .severity = Severity::fault,
                                .what = "the kernel has nouveau loaded, which keeps GPUs from NVIDIA's driver",
                                .no_worth = "not known: GPUs that it holds are missing",
                                .evidence = {patient.evidence(machine, reading::nouveau)},
                                .remedies = {{"echo 'blacklist nouveau' > /etc/modprobe.d/nouveau.conf; update-initramfs -u; reboot",
                                              "a screen on such a GPU stays dark until the other driver starts"}}}});
  }
  const auto module = patient.text(machine, reading::driver_module);
  if (module && *module != "none" && !module->empty() && !facts.driver.empty() && *module != facts.driver) {
    complaints.add({.finding = {.name = "driver.versions",
                                .severity = Severity::fault,
                                .what = fmt::format("the driver's libraries are of version {}, its kernel module of {}", facts.driver, *module),
                                .no_worth = "not known: calls may fail",
                                .evidence = {"NVML: driver " + facts.driver, patient.evidence(machine, reading::driver_module)},
                                .remedies = {{"reboot, or unload and load the kernel modules (rmmod nvidia_uvm nvidia; modprobe nvidia)",
                                              "ends everything that uses the GPUs"}}}});
  }
  if (facts.driver.empty() && facts.nvml_missing.empty())
    complaints.unread("driver.version", "the driver's version is not known", {"NVML told none"});
}

}  // namespace

Check driver() { return {"driver", "driver and CUDA are there, and of one version", look_at_driver}; }

}  // namespace p2plab::doctor::checks
