// SPDX-License-Identifier: Apache-2.0
// How the machine that this program runs on is right now: links, limits, settings, errors, other users. Everything that was read, and everything that
// could not be, with its source; nothing is judged here.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/machine_facts.h"

namespace p2plab {

/// Names of readings: `what` of a Reading. Yes and no are "1" and "0"; sizes are bytes.
namespace reading {

// Of a device on PCIe, by its bus id.
inline constexpr std::string_view link_speed = "link_speed";            // "16.0 GT/s PCIe": now; slower while the device is idle
inline constexpr std::string_view link_width = "link_width";            // lanes, now
inline constexpr std::string_view link_speed_most = "link_speed_most";  // what the device itself can do
inline constexpr std::string_view link_width_most = "link_width_most";
inline constexpr std::string_view acs_redirect = "acs_redirect";  // does a bridge send what its devices exchange up to the root?
inline constexpr std::string_view bar_largest = "bar_largest";    // the largest window into the device's memory
inline constexpr std::string_view iommu_type = "iommu_type";      // of its group: "identity", "DMA", "DMA-FQ"; "none" without an IOMMU

// Of a GPU, by its bus id.
inline constexpr std::string_view performance_state = "performance_state";  // 0 is the fastest; NVML
inline constexpr std::string_view pcie_generation_possible = "pcie_generation_possible";
inline constexpr std::string_view pcie_width_possible = "pcie_width_possible";
inline constexpr std::string_view pcie_replays = "pcie_replays";
inline constexpr std::string_view memory_total = "memory_total";
inline constexpr std::string_view memory_used = "memory_used";
inline constexpr std::string_view processor_clock = "processor_clock";  // MHz, of the multiprocessors, now
inline constexpr std::string_view throttle = "throttle";                // nvmlClocksEventReasons' bits
inline constexpr std::string_view temperature = "temperature";
inline constexpr std::string_view persistence = "persistence";
inline constexpr std::string_view compute_mode = "compute_mode";        // 0 default, 2 prohibited, 3 exclusive process
inline constexpr std::string_view ecc_uncorrected = "ecc_uncorrected";  // since the driver was loaded
inline constexpr std::string_view remap_pending = "remap_pending";
inline constexpr std::string_view remap_failed = "remap_failed";
inline constexpr std::string_view mig = "mig";
inline constexpr std::string_view fabric_state = "fabric_state";            // 0 not supported, 1 not started, 2 in progress, 3 completed
inline constexpr std::string_view nvlink_errors = "nvlink_errors";          // replays and recoveries of all its links
inline constexpr std::string_view nvlink_crc_errors = "nvlink_crc_errors";  // CRC errors of flits and of data, likewise
inline constexpr std::string_view nvlink_counters =
    "nvlink_counters";  // of each link that is up: "3: replays=0 recoveries=0 crc=12 sent_kib=7 received_kib=7; ..."
inline constexpr std::string_view processes = "processes";  // "4711 python, 4712 vllm"; empty: none
// Of two GPUs, "BUS BUS": 0 fine, else nvmlGpuP2PStatus.
inline constexpr std::string_view peer_read = "peer_read";
inline constexpr std::string_view peer_write = "peer_write";

// Of "machine".
inline constexpr std::string_view driver_module = "driver_module";  // version of the kernel module
inline constexpr std::string_view nouveau = "nouveau";              // is the other driver loaded?
inline constexpr std::string_view virtual_machine = "virtual_machine";
inline constexpr std::string_view container = "container";                // "docker", "podman", "kubernetes", "lxc"; empty: none
inline constexpr std::string_view kernel_arguments = "kernel_arguments";  // those of IOMMU and PCIe
inline constexpr std::string_view shared_memory_total = "shared_memory_total";
inline constexpr std::string_view shared_memory_free = "shared_memory_free";
inline constexpr std::string_view locked_memory = "locked_memory";            // "unlimited" or bytes
inline constexpr std::string_view processors_allowed = "processors_allowed";  // "0-31,64-95"
// Of "node0", "node1": NUMA.
inline constexpr std::string_view numa_distances = "numa_distances";  // "10 21"
inline constexpr std::string_view numa_processors = "numa_processors";
// Of a device file, by its path: may this process read and write it?
inline constexpr std::string_view usable = "usable";
// Of an environment variable, by its name. Only those that are set and that doctor knows are read.
inline constexpr std::string_view environment = "environment";

/// All of them.
std::vector<std::string> names();

/// The environment variables that are read: those that change how GPUs exchange data.
std::vector<std::string> variables();

}  // namespace reading

/// What NVML is asked here. Each question answers 0 for success, else NVML's code.
struct NvmlQuestions {
  using Device = void*;
  struct OfGpu {
    std::string_view what;
    std::string source;
    std::function<int(Device, std::string&)> ask;
  };
  struct OfPair {
    std::string_view what;
    std::string source;
    std::function<int(Device, Device, std::string&)> ask;
  };
  std::function<int()> init;
  std::function<int()> shutdown;
  std::function<int(unsigned*)> device_count;
  std::function<int(unsigned, Device*)> device;
  std::function<int(Device, std::string&)> bus_id;
  std::vector<OfGpu> of_gpu = {};
  std::vector<OfPair> of_pair = {};

  /// Those of libnvidia-ml.so.1. Errors: no_device. Functions that the library lacks answer 13, as NVML's "function not found".
  static Result<NvmlQuestions> load();
};

/// Where readings come from; tests give recorded ones.
struct ReadingSources {
  std::string root = "/";                                               // folder in which /sys, /proc, /dev lie
  std::function<const char*(const char*)> variable = default_variable;  // as getenv
  std::function<Result<NvmlQuestions>()> nvml = NvmlQuestions::load;

  static const char* default_variable(const char* name);
};

/// Adds readings of all that `facts` names: its GPUs, its PCIe devices, its NUMA nodes. Never an error: what cannot be read says so in the readings.
void add_readings(MachineFacts& facts, const ReadingSources& sources = {});

}  // namespace p2plab
