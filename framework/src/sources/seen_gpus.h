// SPDX-License-Identifier: Apache-2.0
// A machine's GPUs with what each source says of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "p2plab/machine/machine_facts.h"

namespace p2plab {

struct SeenGpu {
  std::string bus_id;
  const NvmlGpu* nvml = nullptr;
  const CudaGpu* cuda = nullptr;
  const PciFact* pci = nullptr;
};

/// In order of rank: CUDA's devices, or NVML's where CUDA told nothing. They point into `facts`.
std::vector<SeenGpu> seen_gpus(const MachineFacts& facts);

/// The one at this place on PCIe; null if there is none.
template <class T>
const T* find_by_bus(const std::vector<T>& all, const std::string& bus_id) {
  const auto found = std::ranges::find(all, bus_id, &T::bus_id);
  return found == all.end() ? nullptr : &*found;
}

/// A virtual machine may hide what a switch is; its bus id then starts with ffff.
bool goes_to_switch(const NvlinkFact& link);

/// Active NVLinks between two GPUs, the fewer of both where switches join them; 0 where NVML knows neither.
int nvlinks_between(const std::vector<SeenGpu>& gpus, std::size_t a, std::size_t b);

}  // namespace p2plab
