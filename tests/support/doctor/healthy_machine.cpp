// SPDX-License-Identifier: Apache-2.0
#include "support/doctor/healthy_machine.h"

#include <algorithm>
#include <array>
#include <functional>

#include <fmt/format.h>

#include "p2plab/run/readings.h"
#include "support/doctor/machine_maker.h"

namespace p2plab::test {

namespace {

std::string bus(int number, int domain = 0) { return fmt::format("{:04x}:{:02x}:00.0", domain, number); }

MachineFacts h200_vm(std::uint64_t seed) {
  MachineMaker making("h200_vm", seed);
  const int n = making.between(2, 8);
  for (int g = 0; g < n; ++g) making.gpu(h200, bus(6 + g), "", -1);
  making.nvlinks_to_switch(18);
  making.peers([](int, int) { return true; });
  auto facts = making.finished(true, 1);
  for (const auto& gpu : facts.nvml) {
    for (const auto what : {reading::link_width, reading::link_width_most}) set_reading(facts, gpu.bus_id, what, "0");
  }
  for (auto& device : facts.pci) device.width = 0;
  return facts;
}

MachineFacts hgx(const MadeGpu& model, int links, std::uint64_t seed) {
  MachineMaker making("hgx", seed);
  for (int g = 0; g < 8; ++g) {
    const int socket = g / 4;
    const auto root = making.bridge(bus(10 * g + 10, socket), "", model.transfers, socket);
    const auto up = making.bridge(bus(10 * g + 11, socket), root, model.transfers, socket);
    const auto port = making.bridge(bus(10 * g + 12, socket), up, model.transfers, socket);
    making.gpu(model, bus(10 * g + 13, socket), port, socket);
  }
  making.nvlinks_to_switch(links);
  making.peers([](int, int) { return true; });
  making.facts().networks = {{.name = "mlx5_0", .megabits = 400000}};
  return making.finished(false, 2);
}

// `per_switch` GPUs behind each of two switches, one at each socket; 1: at roots of their own.
MachineFacts pcie_box(const std::string& name, const MadeGpu& model, int gpus, bool switches, bool access, std::uint64_t seed) {
  MachineMaker making(name, seed);
  for (int socket = 0; socket < 2; ++socket) {
    const auto root = switches ? making.bridge(bus(1, socket), "", model.transfers, socket) : std::string{};
    const auto up = switches ? making.bridge(bus(2, socket), root, model.transfers, socket) : std::string{};
    for (int g = 0; g < gpus / 2; ++g) {
      const auto port = making.bridge(bus(16 + g, socket), up, model.transfers, socket);
      making.gpu(model, bus(64 + g, socket), port, socket);
    }
  }
  making.peers([access](int, int) { return access; });
  return making.finished(false, 2);
}

MachineFacts bridge_pair(std::uint64_t seed) {
  MachineMaker making("rtx3090_bridge", seed);
  for (int g = 0; g < 2; ++g) making.gpu(rtx3090, bus(64 + g), making.bridge(bus(16 + g), "", 16, 0), 0);
  making.nvlinks(0, 1, 4);
  making.peers([](int, int) { return true; });
  return making.finished(false, 1);
}

MachineFacts dgx1(std::uint64_t seed) {
  MachineMaker making("dgx1_v100", seed);
  for (int g = 0; g < 8; ++g) {
    const int socket = g / 4;
    if (g % 2 == 0) making.bridge(bus(8 + g / 2, socket), "", 8, socket);
    making.gpu(v100, bus(64 + g, socket), making.bridge(bus(16 + g, socket), bus(8 + g / 2, socket), 8, socket), socket);
  }
  const std::vector<std::array<int, 3>> edges{{0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 5, 2}, {2, 3, 2}, {4, 7, 2}, {5, 6, 2}, {6, 7, 2},
                                              {0, 1, 1}, {0, 2, 1}, {1, 3, 1}, {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1}, {5, 7, 1}};
  for (const auto& [a, b, count] : edges) making.nvlinks(a, b, count);
  making.peers([](int, int) { return true; });
  return making.finished(false, 2);
}

// Cards with sixteen lanes in slots with eight, without an NVLink bridge: as it is sold.
MachineFacts slots(std::uint64_t seed) {
  MachineMaker making("a6000_slots", seed);
  for (int g = 0; g < 2; ++g) making.gpu(a6000, bus(64 + g), making.bridge(bus(16 + g), "", 16, 0, 8), 0, 8);
  for (auto& gpu : making.facts().nvml) {
    for (int l = 0; l < 4; ++l) gpu.links.push_back({l, false, "", "unknown"});
  }
  making.peers([](int, int) { return true; });
  return making.finished(false, 1);
}

MachineFacts single(std::uint64_t seed) {
  MachineMaker making("one_gpu", seed);
  making.gpu(l40s, bus(64), making.bridge(bus(16), "", 16, 0), 0);
  return making.finished(false, 1);
}

const std::vector<std::pair<std::string, std::function<MachineFacts(std::uint64_t)>>>& kinds() {
  static const std::vector<std::pair<std::string, std::function<MachineFacts(std::uint64_t)>>> all{
      {"h200_vm", h200_vm},
      {"hgx_h100", [](std::uint64_t seed) { return hgx(h100, 18, seed); }},
      {"hgx_a100", [](std::uint64_t seed) { return hgx(a100, 12, seed); }},
      {"l40s_sockets", [](std::uint64_t seed) { return pcie_box("l40s_sockets", l40s, 4, false, true, seed); }},
      {"pro6000_switches", [](std::uint64_t seed) { return pcie_box("pro6000_switches", pro6000, 8, true, true, seed); }},
      {"rtx4090", [](std::uint64_t seed) { return pcie_box("rtx4090", rtx4090, 4, false, false, seed); }},
      {"rtx3090_bridge", bridge_pair},
      {"dgx1_v100", dgx1},
      {"a6000_slots", slots},
      {"one_gpu", single}};
  return all;
}

}  // namespace

std::vector<std::string> healthy_kinds() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kinds()) names.push_back(name);
  return names;
}

MachineFacts healthy_machine(const std::string& kind, std::uint64_t seed) {
  const auto found = std::ranges::find(kinds(), kind, [](const auto& one) { return one.first; });
  expects(found != kinds().end());
  auto facts = found->second(seed);
  facts.name = kind;
  return facts;
}

void set_reading(MachineFacts& facts, const std::string& subject, std::string_view what, const std::string& value) {
  const auto same = [&](const Reading& one) { return one.subject == subject && one.what == what; };
  const auto found = std::ranges::find_if(facts.readings, same);
  auto& one = found != facts.readings.end() ? *found : facts.readings.emplace_back(Reading{.subject = subject, .what = std::string{what}});
  one.value = value;
  one.missing.clear();
  if (one.source.empty()) one.source = "test";
}

void lose_reading(MachineFacts& facts, const std::string& subject, std::string_view what, const std::string& why) {
  set_reading(facts, subject, what, "");
  std::ranges::find_if(facts.readings, [&](const Reading& one) { return one.subject == subject && one.what == what; })->missing = why;
}

}  // namespace p2plab::test
