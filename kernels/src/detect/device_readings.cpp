// SPDX-License-Identifier: Apache-2.0
// What /sys says of each device on PCIe: its link, its windows, its IOMMU group, and whether a bridge redirects.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>

#include "detect/readings.h"

namespace p2plab::detect {

namespace {

namespace fs = std::filesystem;

std::optional<std::string> first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return line;
}

void add_line(MachineFacts& facts, const std::string& subject, std::string_view what, const fs::path& file) {
  auto line = first_line(file);
  Reading one{.subject = subject, .what = std::string{what}, .source = file.string()};
  if (line)
    one.value = *std::move(line);
  else
    one.missing = "the file cannot be read";
  facts.readings.push_back(std::move(one));
}

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// Extended capabilities begin at 0x100; Access Control Services is number 13, its control register 6 bytes on: redirect of requests (bit 2), of
// completions (bit 3), upstream forwarding (bit 4) (PCI Express base specification, 7.7.11).
Reading acs_of(const std::string& bus_id, const fs::path& file) {
  Reading one{.subject = bus_id, .what = std::string{reading::acs_redirect}, .source = file.string()};
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  constexpr std::size_t extended = 0x100;
  constexpr std::uint32_t access_control = 13;
  constexpr std::uint32_t redirects = 7U << 2;
  if (bytes.size() < extended + 4) {
    one.missing = bytes.empty() ? "the file cannot be read" : "only root may read past its first 64 bytes: run as root";
    return one;
  }
  one.value = "0";
  std::size_t at = extended;
  for (int hops = 0; hops < 64 && at >= extended && at + 8 <= bytes.size(); ++hops) {
    const auto head = word(bytes, at);
    if ((head & 0xffff) == access_control) {
      const auto control = word(bytes, at + 4) >> 16;
      if ((control & redirects) != 0) one.value = "1";
      return one;
    }
    at = head >> 20;
  }
  return one;
}

// A line of `resource` is "start end flags" of one window.
Reading largest_bar(const std::string& bus_id, const fs::path& file) {
  Reading one{.subject = bus_id, .what = std::string{reading::bar_largest}, .source = file.string()};
  std::ifstream in(file);
  std::uint64_t largest = 0;
  bool read = false;
  std::string start;
  std::string end;
  std::string flags;
  for (int window = 0; window < 6 && in >> start >> end >> flags; ++window) {
    const auto from = std::strtoull(start.c_str(), nullptr, 16);
    const auto to = std::strtoull(end.c_str(), nullptr, 16);
    read = true;
    if (to > from) largest = std::max<std::uint64_t>(largest, to - from + 1);
  }
  if (read)
    one.value = std::to_string(largest);
  else
    one.missing = "the file cannot be read";
  return one;
}

Reading iommu_of(const std::string& bus_id, const fs::path& device) {
  Reading one{.subject = bus_id, .what = std::string{reading::iommu_type}, .source = (device / "iommu_group/type").string()};
  std::error_code fault;
  if (!fs::exists(device, fault)) {
    one.missing = "the device is not in sysfs";
  } else if (!fs::exists(device / "iommu_group", fault)) {
    one.value = "none";
  } else if (const auto type = first_line(device / "iommu_group/type")) {
    one.value = *type;
  } else {
    one.missing = "the file cannot be read";
  }
  return one;
}

}  // namespace

std::set<std::string> gpu_bus_ids(const MachineFacts& facts) {
  std::set<std::string> all;
  for (const auto& gpu : facts.nvml) all.insert(gpu.bus_id);
  for (const auto& gpu : facts.cuda) all.insert(gpu.bus_id);
  return all;
}

void add_device_readings(MachineFacts& facts, const std::string& root) {
  const auto gpus = gpu_bus_ids(facts);
  const auto devices = fs::path(root) / "sys/bus/pci/devices";
  for (const auto& pci : facts.pci) {
    const auto folder = devices / pci.bus_id;
    for (const auto& [what, file] : {std::pair{reading::link_speed, "current_link_speed"},
                                     {reading::link_width, "current_link_width"},
                                     {reading::link_speed_most, "max_link_speed"},
                                     {reading::link_width_most, "max_link_width"}})
      add_line(facts, pci.bus_id, what, folder / file);
    if (pci.device_class.starts_with("0x0604")) facts.readings.push_back(acs_of(pci.bus_id, folder / "config"));
    if (!gpus.contains(pci.bus_id)) continue;
    facts.readings.push_back(largest_bar(pci.bus_id, folder / "resource"));
    facts.readings.push_back(iommu_of(pci.bus_id, folder));
  }
}

}  // namespace p2plab::detect
