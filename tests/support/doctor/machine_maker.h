// SPDX-License-Identifier: Apache-2.0
// Machines as p2plab doctor would record them, part by part.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "p2plab/run/readings.h"
#include "support/doctor/healthy_machine.h"

namespace p2plab::test {

/// What of a GPU model shows in facts.
struct MadeGpu {
  std::string name;
  int capability = 0;
  double transfers = 0;
  std::int64_t memory = 0;
  bool large_window = true;
};

inline const MadeGpu h200{"NVIDIA H200", 90, 32, std::int64_t{141} << 30};
inline const MadeGpu h100{"NVIDIA H100 80GB HBM3", 90, 32, std::int64_t{80} << 30};
inline const MadeGpu a100{"NVIDIA A100-SXM4-80GB", 80, 16, std::int64_t{80} << 30};
inline const MadeGpu l40s{"NVIDIA L40S", 89, 16, std::int64_t{45} << 30};
inline const MadeGpu pro6000{"NVIDIA RTX PRO 6000 Blackwell Server Edition", 120, 32, std::int64_t{95} << 30};
inline const MadeGpu rtx4090{"NVIDIA GeForce RTX 4090", 89, 16, std::int64_t{24} << 30, false};
inline const MadeGpu rtx3090{"NVIDIA GeForce RTX 3090", 86, 16, std::int64_t{24} << 30, false};
inline const MadeGpu v100{"Tesla V100-SXM2-32GB", 70, 8, std::int64_t{32} << 30};
inline const MadeGpu a6000{"NVIDIA RTX A6000", 86, 16, std::int64_t{48} << 30};

/// Collects a machine and its readings; the seed moves what healthy machines differ in.
class MachineMaker {
 public:
  MachineMaker(std::string name, std::uint64_t seed) : random_(seed) {
    facts_.name = std::move(name);
    facts_.driver = fmt::format("5{}.{}.0{}", between(50, 80), between(54, 211), between(1, 9));
    facts_.cpu = likely(50) ? CpuFact{"x86_64", "GenuineIntel", 6, 143} : CpuFact{"x86_64", "AuthenticAMD", 25, 17};
    idle_ = likely(50);
  }
  int between(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  MachineFacts& facts() { return facts_; }

  void read(const std::string& subject, std::string_view what, const std::string& value) { set_reading(facts_, subject, what, value); }

  // A bridge; its link runs as fast and wide as it can.
  std::string bridge(const std::string& bus_id, const std::string& parent, double transfers, int numa, int lanes = 16) {
    const auto speed = fmt::format("{:.1f} GT/s PCIe", transfers);
    facts_.pci.push_back({bus_id, parent, "0x060400", "0x1000", speed, lanes, numa});
    link(bus_id, speed, lanes, speed, lanes);
    read(bus_id, reading::acs_redirect, "0");
    return bus_id;
  }

  void gpu(const MadeGpu& model, const std::string& bus_id, const std::string& parent, int numa, int lanes = 16) {
    const auto speed = fmt::format("{:.1f} GT/s PCIe", model.transfers);
    facts_.nvml.push_back({.bus_id = bus_id, .name = model.name, .uuid = "", .compute_capability = model.capability});
    facts_.cuda.push_back({bus_id, model.name, model.capability, 100, numa});
    facts_.pci.push_back({bus_id, parent, "0x030200", "0x10de", speed, 16, numa});
    // GPUs that have nothing to do slow their links down.
    link(bus_id, idle_ ? "2.5 GT/s PCIe" : speed, lanes, speed, 16);
    read(bus_id, reading::performance_state, idle_ ? "8" : "0");
    read(bus_id, reading::throttle, idle_ ? "1" : "0");
    read(bus_id, reading::memory_total, std::to_string(model.memory));
    read(bus_id, reading::memory_used, std::to_string(std::int64_t{between(1, 600)} << 20));
    read(bus_id, reading::bar_largest, std::to_string(model.large_window ? std::int64_t{1} << 37 : std::int64_t{256} << 20));
    read(bus_id, reading::iommu_type, no_iommu_ ? "none" : "identity");
    read(bus_id, reading::temperature, std::to_string(between(25, 80)));
    read(bus_id, reading::pcie_replays, std::to_string(between(0, 20)));
    read(bus_id, reading::compute_mode, likely(90) ? "0" : "3");
    read(bus_id, reading::remap_pending, "0");
    read(bus_id, reading::remap_failed, "0");
    read(bus_id, reading::mig, "0");
    read(bus_id, reading::processes, "");
    read(bus_id, reading::nvlink_errors, std::to_string(between(0, 12)));
    read(bus_id, reading::nvlink_crc_errors, std::to_string(between(0, 9000)));
    if (model.large_window)
      read(bus_id, reading::ecc_uncorrected, "0");
    else
      lose_reading(facts_, bus_id, reading::ecc_uncorrected, "this GPU or driver does not tell");
  }

  void nvlinks_to_switch(int count) {
    for (auto& gpu : facts_.nvml) {
      for (int l = 0; l < count; ++l) gpu.links.push_back({l, true, "ffffffff:ff:ff.0", "switch"});
      read(gpu.bus_id, reading::fabric_state, "3");
      read(gpu.bus_id, reading::nvlink_counters, link_counters(count));
    }
  }
  // Links train with some replays.
  std::string link_counters(int links) {
    std::string text;
    for (int l = 0; l < links; ++l)
      text += fmt::format("{}{}: replays={} recoveries=0 crc={} sent_kib={} received_kib=0", l > 0 ? "; " : "", l, between(0, 90), between(0, 900),
                          between(0, 1 << 30));
    return text;
  }

  void nvlinks(int a, int b, int count) {
    for (const auto& [from, to] : {std::pair{a, b}, {b, a}}) {
      auto& gpu = facts_.nvml[static_cast<std::size_t>(from)];
      for (int l = 0; l < count; ++l)
        gpu.links.push_back({static_cast<int>(gpu.links.size()), true, facts_.nvml[static_cast<std::size_t>(to)].bus_id, "gpu"});
    }
  }

  void peers(const std::function<bool(int, int)>& access) {
    const int n = static_cast<int>(facts_.cuda.size());
    for (int a = 0; a < n; ++a) {
      for (int b = 0; b < n; ++b) {
        if (a == b) continue;
        facts_.peers.push_back({a, b, access(a, b), access(a, b), 0});
        const auto pair = facts_.cuda[static_cast<std::size_t>(a)].bus_id + " " + facts_.cuda[static_cast<std::size_t>(b)].bus_id;
        for (const auto what : {reading::peer_read, reading::peer_write}) read(pair, what, access(a, b) ? "0" : "5");
      }
    }
  }

  MachineFacts finished(bool virtual_machine, int sockets) {
    const auto gpus = static_cast<std::int64_t>(facts_.cuda.size());
    read("machine", reading::driver_module, facts_.driver);
    read("machine", reading::nouveau, "0");
    read("machine", reading::virtual_machine, virtual_machine ? "1" : "0");
    read("machine", reading::container, likely(30) ? "docker" : "");
    read("machine", reading::kernel_arguments, no_iommu_ ? "" : "iommu=pt");
    read("machine", reading::shared_memory_total, std::to_string((std::int64_t{between(1, 500)} << 30) * gpus));
    read("machine", reading::shared_memory_free, std::to_string((std::int64_t{1} << 30) * gpus));
    read("machine", reading::locked_memory, likely(50) ? "unlimited" : std::to_string(std::int64_t{8} << 30));
    read("machine", reading::processors_allowed, fmt::format("0-{}", 32 * sockets - 1));
    for (int s = 0; s < sockets; ++s) {
      read(fmt::format("node{}", s), reading::numa_distances, sockets == 1 ? "10" : s == 0 ? "10 21" : "21 10");
      read(fmt::format("node{}", s), reading::numa_processors, fmt::format("{}-{}", 32 * s, 32 * s + 31));
    }
    read("/dev/nvidiactl", reading::usable, "1");
    read("/dev/nvidia-uvm", reading::usable, "1");
    for (std::int64_t g = 0; g < gpus; ++g) read(fmt::format("/dev/nvidia{}", g), reading::usable, "1");
    harmless_variables();
    if (likely(40)) hide_config_space();
    return std::move(facts_);
  }

 private:
  bool likely(int percent) { return between(1, 100) <= percent; }

  void link(const std::string& bus_id, const std::string& speed, int lanes, const std::string& most_speed, int most_lanes) {
    read(bus_id, reading::link_speed, speed);
    read(bus_id, reading::link_width, std::to_string(lanes));
    read(bus_id, reading::link_speed_most, most_speed);
    read(bus_id, reading::link_width_most, std::to_string(most_lanes));
  }

  void harmless_variables() {
    const std::vector<std::pair<std::string, std::string>> harmless{{"NCCL_DEBUG", "WARN"},    {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
                                                                    {"NCCL_P2P_LEVEL", "SYS"}, {"NCCL_P2P_DISABLE", "0"},
                                                                    {"NCCL_SHM_DISABLE", "0"}, {"NCCL_MAX_NCHANNELS", "32"},
                                                                    {"NCCL_NVLS_ENABLE", "1"}, {"VLLM_SKIP_P2P_CHECK", "0"},
                                                                    {"OMP_NUM_THREADS", "8"},  {"PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:512"}};
    for (const auto& [name, value] : harmless) {
      if (likely(20)) read(name, reading::environment, value);
    }
    if (!likely(20)) return;
    std::string all;
    for (std::size_t g = 0; g < facts_.cuda.size(); ++g) all += (g > 0 ? "," : "") + std::to_string(g);
    read("CUDA_VISIBLE_DEVICES", reading::environment, all);
  }

  // Who is not root reads 64 bytes of it.
  void hide_config_space() {
    for (auto& one : facts_.readings) {
      if (one.what != reading::acs_redirect) continue;
      one.value.clear();
      one.missing = "only root may read past its first 64 bytes: run as root";
    }
  }

  std::mt19937_64 random_;
  MachineFacts facts_;
  bool idle_ = false;
  bool no_iommu_ = likely(50);
};

}  // namespace p2plab::test
