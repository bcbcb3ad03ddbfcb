// SPDX-License-Identifier: Apache-2.0
// Shared and locked memory: what NCCL's host path, data loaders and pinned buffers need.
#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t per_gpu = 256 * mib;  // NCCL's host buffers of one GPU to seven others: 8 channels of 4 MiB each are 224 MiB

void look_at_shared(const Patient& patient, Complaints& complaints) {
  const auto total = patient.number(machine, reading::shared_memory_total);
  const auto free = patient.number(machine, reading::shared_memory_free);
  if (!total || !free) {
    complaints.unread("limits.shared_unread", "how large /dev/shm is", {patient.evidence(machine, reading::shared_memory_total)});
    return;
  }
  const auto wanted = per_gpu * static_cast<std::int64_t>(patient.gpus().size());
  const auto evidence = std::vector{patient.evidence(machine, reading::shared_memory_total), patient.evidence(machine, reading::shared_memory_free)};
  if (*total < wanted) {
    complaints.add({.finding = {.name = "limits.shared_small",
                                .severity = Severity::fault,
                                .what = fmt::format("/dev/shm has {}: ranks that exchange data through host memory fail or fall back to sockets",
                                                    amount(*total)),
                                .no_worth = "none while all pairs have peer access; else NCCL stops with 'No space left on device'",
                                .evidence = evidence,
                                .remedies = {{fmt::format("docker: --shm-size={0}g or --ipc=host; Kubernetes: emptyDir with medium: Memory at "
                                                          "/dev/shm; else mount -o remount,size={0}g /dev/shm",
                                                          (2 * wanted >> 30) + 1),
                                              "--ipc=host lets the container see the shared memory of others"}}}});
  } else if (*free < wanted / 2) {
    complaints.add(
        {.finding = {
             .name = "limits.shared_full",
             .severity = Severity::risk,
             .what = fmt::format("/dev/shm has {} left of {}: former runs may have left files there", amount(*free), amount(*total)),
             .no_worth = only_a_risk,
             .evidence = evidence,
             .remedies = {{"ls -la /dev/shm; remove nccl-* and others that no process uses (fuser -v /dev/shm/*)", "files in use must stay"}}}});
  }
}

void look_at_locked(const Patient& patient, Complaints& complaints) {
  const auto limit = patient.text(machine, reading::locked_memory);
  if (!limit) return complaints.unread("limits.locked_unread", "how much memory may be locked", {patient.evidence(machine, reading::locked_memory)});
  if (*limit == "unlimited") return;
  const auto bytes = patient.number(machine, reading::locked_memory);
  const bool network = !patient.facts().networks.empty() && patient.facts().networks.front().name.starts_with("mlx");
  if (!bytes || *bytes >= 64 * mib || !network) return;
  complaints.add(
      {.finding = {
           .name = "limits.locked",
           .severity = Severity::fault,
           .what = fmt::format("this process may lock {}: InfiniBand cannot register its buffers", amount(*bytes)),
           .no_worth = "none inside this machine: jobs over several machines fail",
           .evidence = {patient.evidence(machine, reading::locked_memory), "network: " + patient.facts().networks.front().name},
           .remedies = {
               {"ulimit -l unlimited; /etc/security/limits.conf: * - memlock unlimited; docker: --ulimit memlock=-1; systemd: LimitMEMLOCK=infinity",
                ""}}}});
}

void look_at_limits(const Patient& patient, Complaints& complaints) {
  look_at_shared(patient, complaints);
  look_at_locked(patient, complaints);
}

}  // namespace

Check limits() { return {"limits", "shared and locked memory suffice", look_at_limits}; }

}  // namespace p2plab::doctor::checks
