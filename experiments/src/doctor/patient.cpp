// SPDX-License-Identifier: Apache-2.0
#include "doctor/patient.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"

namespace p2plab::doctor {

namespace {

template <class T>
const T* at_bus(const std::vector<T>& all, const std::string& bus_id) {
  const auto found = std::ranges::find(all, bus_id, &T::bus_id);
  return found == all.end() ? nullptr : &*found;
}

template <class T>
std::optional<T> parsed(std::string_view text) {
  T value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

}  // namespace

double transfers_of(std::string_view speed) { return parsed<double>(speed).value_or(0); }

std::string evidence_of(const Reading& reading) {
  const auto subject = reading.what == reading::environment ? reading.subject : fmt::format("{} of {}", reading.what, reading.subject);
  if (!reading.missing.empty()) return fmt::format("{}: {} ({})", subject, reading.missing, reading.source);
  return fmt::format("{} is {} ({})", subject, reading.value.empty() ? "empty" : reading.value, reading.source);
}

Patient::Patient(const MachineFacts& facts, const Topology* topology) : facts_(facts) {
  const auto add = [&](const std::string& bus_id, const std::string& model) {
    gpus_.push_back({.name = fmt::format("gpu{}", gpus_.size()),
                     .bus_id = bus_id,
                     .model = model,
                     .known = gpu_facts(model),
                     .nvml = at_bus(facts.nvml, bus_id),
                     .pci = at_bus(facts.pci, bus_id)});
  };
  for (const auto& gpu : facts.cuda) add(gpu.bus_id, gpu.name);
  if (gpus_.empty()) {
    for (const auto& gpu : facts.nvml) add(gpu.bus_id, gpu.name);
  }
  if (topology != nullptr) find_nvlinks(*topology);
  for (const auto& one : facts.readings) readings_.emplace(std::pair{one.subject, one.what}, &one);
}

void Patient::find_nvlinks(const Topology& topology) {
  const auto& routes = topology.routes();
  nvlink_.resize(gpus_.size() * gpus_.size());
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      const auto path = routes.between(Rank{static_cast<int>(a)}, Rank{static_cast<int>(b)});
      nvlink_[a * gpus_.size() + b] =
          !path.empty() && std::ranges::all_of(path, [&](LinkId id) { return topology.link(id).kind == LinkKind::nvlink; });
    }
  }
}

const Reading* Patient::find(std::string_view subject, std::string_view what) const {
  const auto found = readings_.find(std::pair{std::string{subject}, std::string{what}});
  return found == readings_.end() ? nullptr : found->second;
}

std::optional<std::string> Patient::text(std::string_view subject, std::string_view what) const {
  const auto* found = find(subject, what);
  return found == nullptr || !found->missing.empty() ? std::nullopt : std::optional{found->value};
}

std::optional<std::int64_t> Patient::number(std::string_view subject, std::string_view what) const {
  const auto value = text(subject, what);
  return value ? parsed<std::int64_t>(*value) : std::nullopt;
}

std::string Patient::evidence(std::string_view subject, std::string_view what) const {
  const auto* found = find(subject, what);
  return found != nullptr ? evidence_of(*found) : fmt::format("{} of {} was not asked", what, subject);
}

bool Patient::all_over_nvlink() const {
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      if (a != b && !over_nvlink(a, b)) return false;
    }
  }
  return true;
}

bool Patient::any_nvlink() const { return std::ranges::find(nvlink_, true) != nvlink_.end(); }

std::optional<bool> Patient::peer_access(std::size_t a, std::size_t b) const {
  for (const auto& peer : facts_.peers) {
    if (peer.from == static_cast<int>(a) && peer.to == static_cast<int>(b)) return peer.access;
  }
  return std::nullopt;
}

bool Patient::peers_over_pcie() const {
  for (std::size_t a = 0; a < gpus_.size(); ++a) {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      if (a != b && !over_nvlink(a, b) && peer_access(a, b).value_or(false)) return true;
    }
  }
  return false;
}

std::optional<PcieLink> Patient::link(const std::string& bus_id) const {
  PcieLink link;
  link.now_gt = transfers_of(text(bus_id, reading::link_speed).value_or(""));
  link.now_lanes = static_cast<int>(number(bus_id, reading::link_width).value_or(0));
  link.own_gt = transfers_of(text(bus_id, reading::link_speed_most).value_or(""));
  link.own_lanes = static_cast<int>(number(bus_id, reading::link_width_most).value_or(0));
  if (const auto* device = at_bus(facts_.pci, bus_id); device != nullptr && !device->parent.empty()) {
    link.slot_gt = transfers_of(text(device->parent, reading::link_speed_most).value_or(""));
    link.slot_lanes = static_cast<int>(number(device->parent, reading::link_width_most).value_or(0));
  }
  const auto real = [](int lanes) { return lanes > 0 && lanes <= 32; };  // virtual machines say 0, 63 or 255
  if (!real(link.now_lanes) || !real(link.own_lanes) || link.own_gt <= 0 || link.now_gt <= 0) return std::nullopt;
  if (!real(link.slot_lanes)) link.slot_lanes = 0;
  return link;
}

std::optional<bool> Patient::awake(const PatientGpu& gpu) const {
  const auto state = number(gpu.bus_id, reading::performance_state);
  if (!state) return std::nullopt;
  constexpr int slowest_at_work = 2;
  return *state <= slowest_at_work;
}

std::vector<std::string> Patient::bridges_above(const std::string& bus_id) const {
  std::vector<std::string> all;
  const auto* at = at_bus(facts_.pci, bus_id);
  while (at != nullptr && !at->parent.empty() && all.size() < facts_.pci.size()) {
    all.push_back(at->parent);
    at = at_bus(facts_.pci, at->parent);
  }
  return all;
}

}  // namespace p2plab::doctor
