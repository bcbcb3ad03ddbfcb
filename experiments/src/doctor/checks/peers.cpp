// SPDX-License-Identifier: Apache-2.0
// Which pairs CUDA keeps apart, and why.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

struct Reason {
  std::string name;
  Severity severity = Severity::slow;
  std::string why;
  std::vector<Remedy> remedies;
};

// nvmlGpuP2PStatus.
Reason reason_of(std::int64_t status) {
  switch (status) {
    case 1:
    case 3:
      return {"peers.chipset",
              Severity::slow,
              "the chipset between the two does not forward peer accesses",
              {{"move both cards below one root or one PCIe switch (see the board's manual); update the BIOS", "none but the work"}}};
    case 2: return {"peers.gpu", Severity::note, "these GPUs are made without it, or are of two generations", {}};
    case 4:
      return {"peers.registry",
              Severity::fault,
              "a setting of the driver switches it off",
              {{"grep RegistryDwords /proc/driver/nvidia/params; remove the option from /etc/modprobe.d and reload the module",
                "somebody set it: ask why"}}};
    default: return {"peers.refused", Severity::slow, "the driver does not say why", {{"dmesg | grep -i nvrm", ""}}};
  }
}

std::optional<std::int64_t> status_of(const Patient& patient, const PatientGpu& a, const PatientGpu& b) {
  for (const auto what : {reading::peer_read, reading::peer_write}) {
    const auto status = patient.number(a.bus_id + " " + b.bus_id, what);
    if (status && *status != 0) return status;
  }
  return std::nullopt;
}

// Why this pair is kept apart: what NVML says, what the models are made for, what else is known.
Reason why(const Patient& patient, const PatientGpu& a, const PatientGpu& b) {
  const auto status = status_of(patient, a, b);
  if (a.model != b.model && status.value_or(2) == 2)
    return {"peers.models", Severity::note, fmt::format("{} and {} are of two models, which the driver keeps apart", a.model, b.model), {}};
  if (a.known && !a.known->peers_over_pcie && status.value_or(5) != 4)
    return {"peers.policy",
            Severity::note,
            fmt::format("the driver's policy: {} has peer access {}", a.known->title,
                        a.known->peers_over_nvlink ? "over an NVLink bridge only" : "in no way"),
            {{"plan with it as it is: p2plab advise", ""},
             {"a patched kernel module (tinygrad/open-gpu-kernel-modules) with Resizable BAR",
              "not supported by NVIDIA; wrong data where IOMMU or ACS are on: prove it with p2plab doctor --probe cuda"}}};
  if (status) return reason_of(*status);
  return reason_of(-1);
}

struct Kept {
  Reason reason;
  std::vector<std::string> pairs;
  std::vector<std::string> evidence;
  std::set<std::pair<int, int>> ranks;
};

void tell(Complaints& complaints, const Kept& kept, std::size_t all) {
  const auto shown = std::min<std::size_t>(kept.pairs.size(), 6);
  const std::vector<std::string> some(kept.pairs.begin(), kept.pairs.begin() + static_cast<std::ptrdiff_t>(shown));
  const auto ranks = kept.ranks;
  complaints.add({.finding = {.name = kept.reason.name,
                              .severity = kept.reason.severity,
                              .what = fmt::format("{} of {} ordered pairs have no peer access ({}{}): {}", kept.pairs.size(), all,
                                                  fmt::join(some, ", "), shown < kept.pairs.size() ? ", ..." : "", kept.reason.why),
                              .evidence = kept.evidence,
                              .remedies = kept.reason.remedies},
                  .repair = [ranks](MachineFacts& facts) {
                    for (auto& peer : facts.peers) {
                      if (ranks.contains({peer.from, peer.to})) peer.access = true;
                    }
                  }});
}

void look_at_pairs(const Patient& patient, Complaints& complaints) {
  const auto& facts = patient.facts();
  const auto& gpus = patient.gpus();
  if (gpus.size() < 2) return;
  if (facts.peers.empty()) {
    complaints.unread("peers.unread", "which GPUs may reach each other's memory",
                      {"CUDA: " + (facts.cuda_missing.empty() ? "told nothing" : facts.cuda_missing)});
    return;
  }
  std::map<std::string, Kept> kept;
  for (const auto& peer : facts.peers) {
    if (peer.access) continue;
    const auto& a = gpus[static_cast<std::size_t>(peer.from)];
    const auto& b = gpus[static_cast<std::size_t>(peer.to)];
    auto reason = why(patient, a, b);
    auto& one = kept[reason.name];
    one.pairs.push_back(fmt::format("{} -> {}", a.name, b.name));
    one.ranks.insert({peer.from, peer.to});
    if (one.evidence.empty()) {
      one.evidence = {fmt::format("cuDeviceCanAccessPeer says no for {} -> {}", a.bus_id, b.bus_id)};
      if (patient.examined()) one.evidence.push_back(patient.evidence(a.bus_id + " " + b.bus_id, reading::peer_read));
      if (a.known) one.evidence.push_back("table of GPUs: " + a.known->title);
    }
    one.reason = std::move(reason);
  }
  for (const auto& [name, one] : kept) tell(complaints, one, facts.peers.size());
  for (const auto& peer : facts.peers) {
    const auto back = patient.peer_access(static_cast<std::size_t>(peer.to), static_cast<std::size_t>(peer.from));
    if (!peer.access || back.value_or(true)) continue;
    complaints.add({.finding = {.name = "peers.one_way",
                                .severity = Severity::fault,
                                .what = fmt::format("gpu{} reaches gpu{}, but not the other way round", peer.from, peer.to),
                                .no_worth = "none: programs that ask one way only go wrong",
                                .evidence = {fmt::format("cuDeviceCanAccessPeer: {} -> {} yes, back no", peer.from, peer.to)},
                                .remedies = {{"p2plab doctor --probe cuda, which shows what really arrives", ""}}}});
  }
}

}  // namespace

Check peers() { return {"peers", "GPUs reach each other's memory, and why not where they do not", look_at_pairs}; }

}  // namespace p2plab::doctor::checks
