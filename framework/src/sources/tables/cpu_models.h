// SPDX-License-Identifier: Apache-2.0
// What joins the sockets of a server, by the maker and generation of its CPUs.
#pragma once

#include <string>
#include <string_view>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// Who made a CPU, as NCCL's topology file or /proc/cpuinfo says it.
struct CpuModel {
  std::string arch;
  std::string vendor;
  int family = 0;
  int model = 0;
  bool operator==(const CpuModel&) const = default;
};

/// A generation of CPUs: what a transfer between GPUs at two sockets gets, one direction.
struct CpuGeneration {
  std::string_view names;  // what people say, with commas
  std::string_view title;
  double rate = 0;   // GB/s
  double least = 0;  // what peers' reports span
  double most = 0;   // what the wires carry
  int sockets = 2;   // of one server at most, of those with GPUs
  int pcie = 5;      // the generation of its PCIe
};

/// The generation of a CPU, null if it is not known.
const CpuGeneration* cpu_generation(const CpuModel& cpu);
/// By a name such as "turin", "zen5" or "sapphire rapids", or as lscpu prints it: "AMD EPYC 9575F 64-Core Processor", "Intel(R) Xeon(R) Gold 6226 CPU
/// @ 2.70GHz". Errors: unknown_name with the nearest.
Result<const CpuGeneration*> find_cpu_generation(std::string_view name);

/// What stands in for an unknown CPU: one of the PCIe generation of its GPUs (3 to 6).
const CpuGeneration& usual_cpu(int pcie_generation);

}  // namespace p2plab
