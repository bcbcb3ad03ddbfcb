// SPDX-License-Identifier: Apache-2.0
#include "bench/gpu_watch.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace p2plab {

namespace {

struct HeldBackBy {
  int bit = 0;
  const char* name;
};

// nvmlClocksEventReasons that are no choice of the user and do not mean that nothing is to do.
constexpr std::array reasons{
    HeldBackBy{0x04, "its power limit"}, HeldBackBy{0x08, "its hardware"}, HeldBackBy{0x10, "the GPUs that it keeps in step with"},
    HeldBackBy{0x20, "its heat"},        HeldBackBy{0x40, "its heat"},     HeldBackBy{0x80, "the power supply"}};

// A GPU's clock moves by steps of 15 MHz by itself.
constexpr double much = 1.03;

std::optional<int> whole_number(const std::string& text) {
  int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(", ", at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return parts;
}

std::string held_back_by(int bits) {
  std::vector<std::string> names;
  for (const auto& [bit, name] : reasons) {
    // "Hardware" comes with its reason, where the driver tells one.
    if ((bits & bit) == 0 || (bit == 0x08 && (bits & 0xc0) != 0)) continue;
    if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  }
  return fmt::format("{}", fmt::join(names, " and "));
}

std::set<std::string> processes_of(const GpuStates& states) {
  std::set<std::string> all;
  for (const auto& state : states) all.insert(state.processes.begin(), state.processes.end());
  return all;
}

}  // namespace

GpuWatch::GpuWatch(const std::function<Result<NvmlQuestions>()>& nvml) {
  auto questions = nvml();
  if (!questions || questions->init() != 0) return;
  nvml_ = *std::move(questions);
  at_first_ = processes_of(look());
}

GpuWatch::~GpuWatch() {
  if (nvml_) nvml_->shutdown();
}

GpuStates GpuWatch::look() const {
  GpuStates states;
  unsigned count = 0;
  if (!nvml_ || nvml_->device_count(&count) != 0) return states;
  for (unsigned i = 0; i < count; ++i) {
    NvmlQuestions::Device device = nullptr;
    GpuState state;
    if (nvml_->device(i, &device) != 0 || nvml_->bus_id(device, state.name) != 0) continue;
    for (const auto& question : nvml_->of_gpu) {
      const bool wanted = question.what == reading::processor_clock || question.what == reading::temperature || question.what == reading::throttle ||
                          question.what == reading::processes;
      std::string value;
      if (!wanted || question.ask(device, value) != 0) continue;
      if (question.what == reading::processor_clock) state.clock = whole_number(value);
      if (question.what == reading::temperature) state.temperature = whole_number(value);
      if (question.what == reading::throttle) state.held_back = whole_number(value);
      if (question.what == reading::processes) state.processes = split(value);
    }
    states.push_back(std::move(state));
  }
  return states;
}

void GpuWatch::settle() {
  if (own_) return;
  own_.emplace();
  for (const auto& process : processes_of(look())) {
    if (!at_first_.contains(process)) own_->insert(process);
  }
}

std::vector<std::string> GpuWatch::others(const GpuState& state) const {
  std::vector<std::string> others;
  std::ranges::copy_if(state.processes, std::back_inserter(others), [&](const std::string& each) { return !own_ || !own_->contains(each); });
  return others;
}

std::vector<std::string> GpuWatch::disturbances(const std::vector<GpuStates>& looks) const {
  std::vector<std::string> found;
  if (looks.empty()) return found;
  for (std::size_t g = 0; g < looks.front().size(); ++g) {
    const auto& gpu = looks.front()[g].name;
    int held_back = 0;
    std::optional<std::pair<int, int>> clocks;
    std::set<std::string> processes;
    for (const auto& states : looks) {
      if (g >= states.size()) continue;
      held_back |= states[g].held_back.value_or(0);
      if (const auto clock = states[g].clock)
        clocks = clocks ? std::pair{std::min(clocks->first, *clock), std::max(clocks->second, *clock)} : std::pair{*clock, *clock};
      for (auto& process : others(states[g])) processes.insert(std::move(process));
    }
    if (const auto by = held_back_by(held_back); !by.empty()) found.push_back(fmt::format("GPU {} was held back by {}", gpu, by));
    if (clocks && clocks->second > clocks->first * much)
      found.push_back(fmt::format("GPU {} ran at {} to {} MHz", gpu, clocks->first, clocks->second));
    if (!processes.empty()) found.push_back(fmt::format("GPU {} was used by {}", gpu, fmt::join(processes, ", ")));
  }
  return found;
}

std::vector<std::string> GpuWatch::texts(const GpuStates& states) const {
  std::vector<std::string> texts;
  for (const auto& state : states) {
    std::vector<std::string> parts;
    if (state.clock) parts.push_back(fmt::format("{} MHz", *state.clock));
    if (state.temperature) parts.push_back(fmt::format("{} C", *state.temperature));
    if (const auto by = held_back_by(state.held_back.value_or(0)); !by.empty()) parts.push_back("held back by " + by);
    if (const auto all = others(state); !all.empty()) parts.push_back(fmt::format("used by {}", fmt::join(all, ", ")));
    texts.push_back(fmt::format("{}: {}", state.name, parts.empty() ? "NVML tells nothing" : fmt::format("{}", fmt::join(parts, ", "))));
  }
  return texts;
}

}  // namespace p2plab
