// SPDX-License-Identifier: Apache-2.0
// Looks at the machine that this program runs on: NVML and CUDA's driver, loaded when asked for, and the files of the kernel. Works in every build.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "p2plab/machine/machine_facts.h"

namespace p2plab {

/// What NVML's functions are here: own declarations, as NVML has kept them since driver 450. Each returns 0 for success.
struct NvmlFunctions {
  using Device = void*;
  struct PciInfo {  // nvmlPciInfo_t
    std::array<char, 16> legacy;
    unsigned domain, bus, device, id, subsystem;
    std::array<char, 32> bus_id;
  };
  std::function<int()> init;
  std::function<int()> shutdown;
  std::function<int(char*, unsigned)> driver_version;
  std::function<int(unsigned*)> device_count;
  std::function<int(unsigned, Device*)> device;
  std::function<int(Device, char*, unsigned)> name;
  std::function<int(Device, char*, unsigned)> uuid;
  std::function<int(Device, PciInfo*)> pci;
  std::function<int(Device, int*, int*)> compute_capability;
  std::function<int(Device, unsigned, unsigned*)> link_state;
  std::function<int(Device, unsigned, PciInfo*)> link_remote;
  std::function<int(Device, unsigned, int*)> link_remote_type;  // may be empty: not in old drivers

  /// The functions of libnvidia-ml.so.1. Errors: no_device, if it is not there or lacks a function.
  static Result<NvmlFunctions> load();
};

/// What the functions of CUDA's driver are here.
struct CudaFunctions {
  std::function<int(unsigned)> init;
  std::function<int(int*)> device_count;
  std::function<int(int*, int)> device;
  std::function<int(char*, int, int)> name;
  std::function<int(char*, int, int)> bus_id;
  std::function<int(int*, int, int)> attribute;            // value, attribute, device
  std::function<int(int*, int, int)> can_access;           // value, device, peer
  std::function<int(int*, int, int, int)> peer_attribute;  // value, attribute, device, peer

  static Result<CudaFunctions> load();
};

/// Where facts come from; tests give recorded ones.
struct FactSources {
  std::string root = "/";  // folder in which /sys and /proc lie
  std::function<Result<NvmlFunctions>()> nvml = NvmlFunctions::load;
  std::function<Result<CudaFunctions>()> cuda = CudaFunctions::load;
};

/// All that the sources say. Never an error: a source that is missing says so in the facts.
MachineFacts gather_facts(const FactSources& sources = {});

/// "00000000:8A:00.0" and "0000:8a:00.0" name the same device: the latter.
std::string short_bus_id(const std::string& bus_id);

}  // namespace p2plab
