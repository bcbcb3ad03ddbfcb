// SPDX-License-Identifier: Apache-2.0
// Which GPUs programs see, and under which numbers.
#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab::doctor::checks {

namespace {

std::vector<std::string> words_between(const std::string& text, char mark) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find(mark, begin), text.size());
    auto word = text.substr(begin, end - begin);
    std::erase(word, ' ');
    words.push_back(std::move(word));
    begin = end + 1;
  }
  return words;
}

Complaint odd(const Patient& patient, std::string name, Severity severity, std::string what, Remedy remedy) {
  return {.finding = {.name = std::move(name),
                      .severity = severity,
                      .what = std::move(what),
                      .no_worth = "not known: it is about which GPUs, not how fast",
                      .evidence = {patient.evidence("CUDA_VISIBLE_DEVICES", reading::environment),
                                   fmt::format("CUDA sees {} GPUs, NVML {}", patient.facts().cuda.size(), patient.facts().nvml.size())},
                      .remedies = {std::move(remedy)}}};
}

// CUDA sees fewer GPUs than it should; `asked`: what says how many.
void fewer(const Patient& patient, Complaints& complaints, const std::string& asked) {
  complaints.add(
      odd(patient, "visible.fewer", patient.examined() ? Severity::fault : Severity::unknown,
          fmt::format("CUDA sees {} GPUs, NVML {}, and CUDA_VISIBLE_DEVICES {}", patient.facts().cuda.size(), patient.facts().nvml.size(), asked),
          {"nvidia-smi -q; dmesg | grep -i xid; look for a GPU that fell off its bus, is in exclusive use or in MIG mode", ""}));
}

void look_at_list(const Patient& patient, Complaints& complaints, const std::string& list) {
  const auto& facts = patient.facts();
  const auto words = words_between(list, ',');
  std::set<std::string> seen;
  for (const auto& word : words) {
    if (!seen.insert(word).second) {
      complaints.add(odd(patient, "visible.twice", Severity::fault,
                         fmt::format("CUDA_VISIBLE_DEVICES names '{}' twice: CUDA then sees no GPU at all", word), {"name each GPU once", ""}));
      return;
    }
    int number = -1;
    const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool is_number = fault == std::errc{} && end == word.data() + word.size();
    const bool is_uuid = word.starts_with("GPU-") || word.starts_with("MIG-");
    if (is_uuid || (is_number && number >= 0 && (facts.nvml.empty() || number < static_cast<int>(facts.nvml.size())))) continue;
    complaints.add(odd(patient, "visible.unknown", Severity::fault,
                       fmt::format("CUDA_VISIBLE_DEVICES names '{}', which is no GPU of this machine: it and all after it are not seen", word),
                       {facts.nvml.empty() ? "take the UUIDs of nvidia-smi -L"
                                           : fmt::format("numbers go from 0 to {}; or take UUIDs of nvidia-smi -L", facts.nvml.size() - 1),
                        ""}));
    return;
  }
  if (!facts.cuda_missing.empty() || facts.nvml.empty()) return;
  if (facts.cuda.size() < words.size()) return fewer(patient, complaints, fmt::format("names {}", words.size()));
  if (facts.cuda.size() < facts.nvml.size())
    complaints.add(odd(patient, "visible.some", Severity::note,
                       fmt::format("CUDA_VISIBLE_DEVICES leaves {} of {} GPUs", facts.cuda.size(), facts.nvml.size()),
                       {"unset CUDA_VISIBLE_DEVICES, if all were meant", "jobs that share the machine then meet on its GPUs"}));
}

void look_at_visible(const Patient& patient, Complaints& complaints) {
  const auto& facts = patient.facts();
  const auto list = patient.variable("CUDA_VISIBLE_DEVICES");
  if (list) {
    look_at_list(patient, complaints, *list);
  } else if (facts.cuda_missing.empty() && facts.nvml_missing.empty() && facts.cuda.size() != facts.nvml.size()) {
    fewer(patient, complaints, patient.examined() ? "is not set" : "was not asked");
  }
  const auto order = patient.variable("CUDA_DEVICE_ORDER").value_or("FASTEST_FIRST");
  std::set<std::string> models;
  for (const auto& gpu : patient.gpus()) models.insert(gpu.model);
  if (models.size() > 1 && order != "PCI_BUS_ID" && patient.examined()) {
    complaints.add(odd(patient, "visible.order", Severity::risk,
                       "GPUs of several models, and CUDA numbers the fastest first: its numbers are not nvidia-smi's",
                       {"export CUDA_DEVICE_ORDER=PCI_BUS_ID", "what was tuned for the other numbers must be tuned anew"}));
  }
}

}  // namespace

Check visible() { return {"visible", "CUDA sees the GPUs that are there, under the numbers that are meant", look_at_visible}; }

}  // namespace p2plab::doctor::checks
