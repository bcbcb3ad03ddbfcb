// SPDX-License-Identifier: Apache-2.0
// What GPUs have, by the names that nvidia-smi, rocm-smi and people give them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// May GPUs of a kind reach each other's memory over PCIe? `nvlink_only`: over a bridge, but not over PCIe; `drivers`: what the driver's defaults
/// refuse and what patched drivers allow.
enum class PeerPolicy { yes, nvlink_only, no };

/// NVIDIA's and AMD's data sheets. Names are as `plain_gpu_name` leaves them, further names after commas.
struct GpuModel {
  std::string_view names;
  std::string_view title;      // as people write it
  int compute_capability = 0;  // of NVIDIA's
  int pcie_generation = 3;     // 3 to 6; 0: not on PCIe in a way that counts
  int pcie_lanes = 16;
  int links = 0;    // NVLink or xGMI links
  double link = 0;  // GB/s of one, in one direction
  int memory = 0;   // GB
  PeerPolicy peers = PeerPolicy::yes;
  std::string_view target = {};  // AMD's: "gfx942"
  double chip_to_chip = 0;       // GB/s to its CPU, in one direction
};

/// "NVIDIA GeForce RTX 4090" and "4090" become "4090": lower case, without makers' and product lines' names, blanks and dashes.
std::string plain_gpu_name(std::string_view name);

/// The model of this name; memory sizes that the table does not tell apart are left away. Errors: unknown_name with the nearest.
Result<const GpuModel*> find_gpu_model(std::string_view name);
/// The same, null where there is none.
const GpuModel* known_gpu_model(std::string_view name);

/// The name of a GPU by the PCI device of NVIDIA's or AMD's that it is, as in "0x2335"; empty if it is not listed.
std::string_view gpu_of_pci_device(std::string_view device);

/// All of them.
std::span<const GpuModel> gpu_models();

/// PCIe, one direction.
Bandwidth pcie_rate(const GpuModel& model);

}  // namespace p2plab
