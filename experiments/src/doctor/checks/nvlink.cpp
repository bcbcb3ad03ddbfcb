// SPDX-License-Identifier: Apache-2.0
// NVLinks that are down, by number; what a model has; the fabric's manager; errors of links.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

struct Links {
  int active = 0;
  std::vector<int> down;
  std::set<std::pair<std::string, std::string>> ends;  // of those that are up
};

Links links_of(const NvmlGpu& gpu) {
  Links all;
  for (const auto& link : gpu.links) {
    if (link.active) {
      ++all.active;
      all.ends.insert({link.remote, link.remote_kind});
    } else {
      all.down.push_back(link.number);
    }
  }
  return all;
}

// The links of this GPU up, to where its others lead.
Change links_up(const std::string& bus_id, std::pair<std::string, std::string> end) {
  return [bus_id, end = std::move(end)](MachineFacts& facts) {
    for (auto& gpu : facts.nvml) {
      for (auto& link : gpu.links) {
        if (gpu.bus_id != bus_id || link.active) continue;
        link.active = true;
        link.remote = end.first;
        link.remote_kind = end.second;
      }
    }
  };
}

// A GPU some of whose links are down, others up.
struct HurtGpu {
  const PatientGpu* gpu = nullptr;
  Links links;
  bool switched() const {
    return std::ranges::any_of(links.ends, [](const auto& end) { return end.second == "switch" || end.first.starts_with("ffff"); });
  }
};

// Where a GPU's lost links led: where all its others lead; or to the only other GPU that has lost as many.
std::optional<std::pair<std::string, std::string>> far_end(const HurtGpu& one, const std::vector<HurtGpu>& hurt) {
  if (one.links.ends.size() == 1) return *one.links.ends.begin();
  if (hurt.size() != 2 || one.switched()) return std::nullopt;
  const auto& other = hurt[0].gpu == one.gpu ? hurt[1] : hurt[0];
  if (other.links.down.size() != one.links.down.size()) return std::nullopt;
  return std::pair{other.gpu->bus_id, std::string{"gpu"}};
}

void some_down(const Patient& patient, const HurtGpu& hurt, const std::vector<HurtGpu>& all, Complaints& complaints) {
  const auto& gpu = *hurt.gpu;
  const auto& links = hurt.links;
  const bool switched = hurt.switched();
  const auto end = far_end(hurt, all);
  const bool partial = patient.virtual_machine() && !switched;
  Complaint one{.finding = {.name = "nvlink.down",
                            .severity = partial ? Severity::unknown : Severity::fault,
                            .what = fmt::format("{} of {} NVLinks of {} are down (number {})", links.down.size(), gpu.nvml->links.size(), gpu.name,
                                                fmt::join(links.down, ", ")),
                            .evidence = {fmt::format("nvmlDeviceGetNvLinkState of {}: {} active, down: {}", gpu.bus_id, links.active,
                                                     fmt::join(links.down, ", ")),
                                         fmt::format("the {} have {} each", gpu.model, gpu.nvml->links.size())},
                            .remedies = {{"nvidia-smi nvlink -s; nvidia-smi nvlink -e; dmesg | grep -i -e xid -e nvlink", ""},
                                         {"nvidia-smi -r (all GPUs of the board), then reseat or replace bridge, cable or board",
                                          "a reset ends every process on these GPUs"}}}};
  if (partial) {
    one.finding.what += "; links to GPUs that this virtual machine was not given look the same";
  } else if (end) {
    one.repair = links_up(gpu.bus_id, *end);
  } else {
    one.finding.no_worth = "not known: where the lost links led is not told";
  }
  complaints.add(std::move(one));
}

void all_down(const Patient& patient, Complaints& complaints, const std::vector<std::string>& names) {
  const auto& gpu = *std::ranges::find(patient.gpus(), names.front(), &PatientGpu::name);
  const auto state = patient.number(gpu.bus_id, reading::fabric_state);
  const bool fabric = state.value_or(0) == 1 || state.value_or(0) == 2;
  complaints.add(
      {.finding = {
           .name = fabric ? "nvlink.fabric_manager" : "nvlink.all_down",
           .severity = Severity::fault,
           .what = fabric ? fmt::format("the NVLink fabric is not started on {}: the fabric manager is not done", short_names(names))
                          : fmt::format("no NVLink of {} is up, though the {} is joined by them", short_names(names), gpu.model),
           .no_worth = "not known: what the links would join is not told",
           .evidence = {fmt::format("nvmlDeviceGetNvLinkState of {}: none active", gpu.bus_id), patient.evidence(gpu.bus_id, reading::fabric_state)},
           .remedies = {{"systemctl status nvidia-fabricmanager; systemctl restart nvidia-fabricmanager (its version must be the driver's)",
                         "a restart ends every process that uses the GPUs"}}}});
}

// Boards whose GPUs are always joined; cards may go without a bridge.
bool always_joined(const PatientGpu& gpu) { return gpu.known && gpu.known->links > 0 && gpu.known->title.find("SXM") != std::string::npos; }

// Counts since the driver was loaded. What is sent again costs time each time; CRC errors matter from 100 a second on (NVIDIA's DCGM,
// DCGM_LIMIT_MAX_NVLINK_CRC_ERROR), so a count says something only where it would have taken an hour of that.
void look_at_errors(const Patient& patient, const PatientGpu& gpu, Complaints& complaints) {
  constexpr std::int64_t many = 1000;  // a link trains with some
  constexpr std::int64_t many_crc = std::int64_t{100} * 3600;
  const auto complain = [&](std::string_view name, std::string_view counted, std::int64_t from, Severity severity, std::string_view what) {
    const auto errors = patient.number(gpu.bus_id, counted);
    if (!errors || *errors < from) return;
    complaints.add({.finding = {.name = std::string{name},
                                .severity = severity,
                                .what = fmt::format("the NVLinks of {} had {} {}", gpu.name, *errors, what),
                                .no_worth = "not known: by how often, which a second look tells",
                                .evidence = {patient.evidence(gpu.bus_id, counted)},
                                .remedies = {{fmt::format("nvidia-smi nvlink -e -i {}; look again after a run", gpu.bus_id), ""}}}});
  };
  complain("nvlink.errors", reading::nvlink_errors, many, Severity::risk, "replays and recoveries: each sends data again, and takes time");
  complain("nvlink.crc", reading::nvlink_crc_errors, many_crc, Severity::note, "CRC errors, which are corrected; they matter from 100 a second on");
}

// What each link of a GPU had to send again.
std::vector<std::pair<int, std::int64_t>> sent_again(const Patient& patient, const std::string& bus_id) {
  std::vector<std::pair<int, std::int64_t>> links;
  const auto told = patient.text(bus_id, reading::nvlink_counters);
  if (!told) return links;
  std::istringstream text(*told);
  for (std::string word; text >> word;) {
    const auto number = [&](std::size_t from) { return std::strtoll(word.c_str() + from, nullptr, 10); };
    if (word.find(':') != std::string::npos) links.emplace_back(static_cast<int>(number(0)), 0);
    for (const std::string_view name : {"replays=", "recoveries="}) {
      if (!links.empty() && word.starts_with(name)) links.back().second += number(name.size());
    }
  }
  return links;
}

// One link among others that are well is a cable, a connector or a board.
void look_at_each_link(const Patient& patient, const PatientGpu& gpu, Complaints& complaints) {
  constexpr std::int64_t many = 1000;
  constexpr std::int64_t times_the_middle = 20;
  const auto links = sent_again(patient, gpu.bus_id);
  if (links.size() < 3) return;
  std::vector<std::int64_t> sorted;
  for (const auto& [number, count] : links) sorted.push_back(count);
  std::ranges::sort(sorted);
  const auto middle = sorted[sorted.size() / 2];
  std::vector<int> bad;
  std::int64_t most = 0;
  for (const auto& [number, count] : links) {
    if (count < many || count < times_the_middle * middle) continue;
    bad.push_back(number);
    most = std::max(most, count);
  }
  if (bad.empty()) return;
  complaints.add(
      {.finding = {
           .name = "nvlink.one_link",
           .severity = Severity::risk,
           .what = fmt::format("NVLink {} of {} had {} replays and recoveries, its other links {} in the middle", fmt::join(bad, ", "), gpu.name,
                               most, middle),
           .no_worth = "not known: by how often, which a second look tells",
           .evidence = {patient.evidence(gpu.bus_id, reading::nvlink_counters)},
           .remedies = {
               {fmt::format("nvidia-smi nvlink -e -i {}; look again after a run, and have that link's board or cable checked", gpu.bus_id), ""}}}});
}

void look_at_nvlinks(const Patient& patient, Complaints& complaints) {
  if (!patient.facts().nvml_missing.empty()) {
    complaints.unread("nvlink.unread", "whether NVLinks are up", {"NVML: " + patient.facts().nvml_missing});
    return;
  }
  std::vector<std::string> dead;
  std::vector<HurtGpu> hurt;
  for (const auto& gpu : patient.gpus()) {
    if (gpu.nvml == nullptr) continue;
    const auto links = links_of(*gpu.nvml);
    if (links.active > 0 && !links.down.empty()) hurt.push_back({&gpu, links});
    if (links.active == 0 && always_joined(gpu) && patient.gpus().size() > 1) dead.push_back(gpu.name);
    if (links.active > 0 && links.down.empty() && always_joined(gpu) && links.active < gpu.known->links)
      complaints.add({.finding = {.name = "nvlink.fewer",
                                  .severity = Severity::unknown,
                                  .what = fmt::format("{} shows {} NVLinks, a {} has {}", gpu.name, links.active, gpu.known->title, gpu.known->links),
                                  .evidence = {fmt::format("nvmlDeviceGetNvLinkState of {}", gpu.bus_id), "table of GPUs"}}});
    look_at_errors(patient, gpu, complaints);
    look_at_each_link(patient, gpu, complaints);
  }
  for (const auto& one : hurt) some_down(patient, one, hurt, complaints);
  if (!dead.empty()) all_down(patient, complaints, dead);
}

}  // namespace

Check nvlink() { return {"nvlink", "NVLinks are up, as many as the model has, and without errors", look_at_nvlinks}; }

}  // namespace p2plab::doctor::checks
