// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "doctor/check.h"

namespace p2plab {

namespace doctor {

void Complaints::unread(const std::string& name, std::string what, std::vector<std::string> evidence, std::vector<Remedy> remedies) {
  add({.finding = {.name = name,
                   .severity = Severity::unknown,
                   .what = std::move(what),
                   .no_worth = "not known",
                   .evidence = std::move(evidence),
                   .remedies = std::move(remedies)}});
}

// Runs of numbers after one word are written as first and last: "gpu0-2, gpu5".
std::string amount(std::int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1 << 30) return fmt::format("{:.1f} GiB", value / (1 << 30));
  if (bytes >= 1 << 20) return fmt::format("{:.0f} MiB", value / (1 << 20));
  return fmt::format("{:.0f} KiB", value / (1 << 10));
}

namespace {

// The machine with all repairs but those of `left`, and with what `left` makes of it.
MachineFacts facts_with(MachineFacts facts, const std::vector<Complaint>& all, const std::set<std::size_t>& left) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!left.contains(i) && all[i].repair) all[i].repair(facts);
  }
  for (const auto i : left) {
    if (all[i].present) all[i].present(facts);
  }
  return facts;
}

bool changes(const Complaint& one) { return one.present || one.repair; }

// What a person can put right, against how the machine is made.
bool is_complaint(Severity severity) { return severity == Severity::fault || severity == Severity::slow || severity == Severity::risk; }

Status weigh(const MachineFacts& facts, std::vector<Complaint>& all, Diagnosis& diagnosis, std::size_t gpus) {
  if (gpus < 2) {
    diagnosis.no_busbw = "one GPU exchanges data with nobody";
    return {};
  }
  std::set<std::size_t> every;
  std::set<std::size_t> made;  // by notes: how the machine is
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!changes(all[i])) continue;
    every.insert(i);
    if (!is_complaint(all[i].finding.severity)) made.insert(i);
  }
  const auto good = most_busbw(facts_with(facts, all, made));
  if (!good) return good.error();
  for (const auto i : every) {
    auto left = made;
    const bool note = !left.insert(i).second;
    if (note) left.erase(i);
    const auto other = most_busbw(facts_with(facts, all, left));
    if (!other) return other.error();
    all[i].finding.worth = note ? Worth{.with = *good, .without = *other} : Worth{.with = *other, .without = *good};
    if (all[i].finding.worth->with <= 0 && all[i].finding.worth->without <= 0) {
      all[i].finding.worth.reset();
      all[i].finding.no_worth = "not known: the facts join no GPUs";
    }
  }
  const auto now = most_busbw(facts_with(facts, all, every));
  if (!now) return now.error();
  diagnosis.busbw = Worth{.with = *now, .without = *good};
  return {};
}

std::string summary_of(const Patient& patient) {
  std::vector<std::pair<std::string, int>> models;
  for (const auto& gpu : patient.gpus()) {
    const auto found = std::ranges::find(models, gpu.model, &std::pair<std::string, int>::first);
    if (found == models.end())
      models.emplace_back(gpu.model, 1);
    else
      ++found->second;
  }
  std::string text;
  for (const auto& [model, count] : models) text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, model);
  text += patient.facts().driver.empty() ? ", driver not told" : ", driver " + patient.facts().driver;
  if (patient.virtual_machine()) text += ", in a virtual machine";
  return text;
}

// Facts come from files, too.
Status sound(const MachineFacts& facts) {
  const auto gpus = static_cast<int>(facts.cuda.size());
  for (const auto& peer : facts.peers) {
    if (peer.from < 0 || peer.to < 0 || peer.from >= gpus || peer.to >= gpus)
      return Error{ErrorCode::invalid_input, fmt::format("peers name the pair {} -> {}, and CUDA has {} GPUs", peer.from, peer.to, gpus)};
  }
  const auto names = reading::names();
  for (const auto& one : facts.readings) {
    if (std::ranges::find(names, one.what) == names.end()) return unknown_name("reading", one.what, names);
  }
  return {};
}

// A machine without a GPU that can be used: what stands in the way, as notes.
Error explained(Error error, const MachineFacts& facts) {
  const bool there =
      std::ranges::any_of(facts.pci, [](const PciFact& one) { return one.vendor == "0x10de" && one.device_class.starts_with("0x03"); });
  const Patient patient(facts, nullptr);
  if (!there || !patient.examined()) return error;
  for (const auto& check : builtin_checks()) {
    Complaints complaints;
    check.examine(patient, complaints);
    for (const auto& [finding, present, repair] : std::move(complaints).take()) {
      if (!is_complaint(finding.severity)) continue;
      error.notes.push_back(fmt::format("{}: {}", finding.name, finding.what));
      for (const auto& [what, risk] : finding.remedies)
        error.notes.push_back(fmt::format("  do: {}{}", what, risk.empty() ? "" : " (risk: " + risk + ")"));
    }
  }
  return error;
}

// Facts without readings leave most checks without an answer: that is one thing to say, not one for each.
void say_once(std::vector<Complaint>& all, std::vector<std::string>& fine) {
  std::vector<std::string> mute;
  for (const auto& one : all) {
    if (one.finding.severity == Severity::unknown && std::ranges::find(mute, one.finding.check) == mute.end()) mute.push_back(one.finding.check);
  }
  std::erase_if(all, [](const Complaint& one) { return one.finding.severity == Severity::unknown; });
  // Settings that were not read are not fine either.
  for (const auto* name : {"iommu", "bar", "acs", "numa"}) {
    if (std::erase(fine, name) > 0) mute.emplace_back(name);
  }
  all.push_back(
      {.finding = {.name = "readings.none",
                   .check = "readings",
                   .severity = Severity::unknown,
                   .what = fmt::format("these facts hold no readings of settings, limits and errors; nothing is said by: {}", fmt::join(mute, ", ")),
                   .no_worth = "not known",
                   .remedies = {{"on the machine: p2plab doctor --record FILE", ""}}}});
}

}  // namespace

}  // namespace doctor

std::string_view to_string(Severity severity) {
  constexpr std::array<std::string_view, 5> words{"fault", "slow", "risk", "note", "unknown"};
  return words[static_cast<std::size_t>(severity)];
}

int Diagnosis::complaints() const {
  return static_cast<int>(std::ranges::count_if(findings, [](const Finding& one) { return doctor::is_complaint(one.severity); }));
}

Result<Diagnosis> diagnose(const MachineFacts& facts) {
  if (auto known = doctor::sound(facts); !known) return std::move(known).error();
  const auto detected = build_machine(facts);
  if (!detected) return detected.error().code == ErrorCode::no_device ? doctor::explained(detected.error(), facts) : detected.error();
  const doctor::Patient patient(facts, &detected->topology);
  Diagnosis diagnosis{.machine = facts.name, .summary = doctor::summary_of(patient), .warnings = detected->warnings};
  std::vector<doctor::Complaint> all;
  for (const auto& check : doctor::builtin_checks()) {
    doctor::Complaints complaints;
    check.examine(patient, complaints);
    auto found = std::move(complaints).take();
    if (found.empty()) diagnosis.fine.push_back(check.name);
    for (auto& one : found) {
      one.finding.check = check.name;
      all.push_back(std::move(one));
    }
  }
  if (!patient.examined()) doctor::say_once(all, diagnosis.fine);
  if (auto weighed = doctor::weigh(facts, all, diagnosis, patient.gpus().size()); !weighed) return std::move(weighed).error();
  for (auto& one : all) {
    if (!one.finding.worth && one.finding.no_worth.empty()) one.finding.no_worth = "not known";
    diagnosis.findings.push_back(std::move(one.finding));
  }
  add_findings(diagnosis, {});
  return diagnosis;
}

void add_findings(Diagnosis& diagnosis, std::vector<Finding> findings) {
  std::ranges::move(findings, std::back_inserter(diagnosis.findings));
  const auto lost = [](const Finding& one) { return one.worth ? one.worth->with - one.worth->without : 0; };
  std::ranges::stable_sort(diagnosis.findings, [&](const Finding& a, const Finding& b) {
    return std::pair{a.severity, lost(a)} < std::pair{b.severity, lost(b)};
  });
}

}  // namespace p2plab
