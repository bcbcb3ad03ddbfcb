// SPDX-License-Identifier: Apache-2.0
// Which GPU a process means by a number: its place on PCIe is the same for all processes, whatever CUDA_VISIBLE_DEVICES says to each.
#pragma once

#include <cstdint>
#include <string>

namespace p2plab::monitor {

/// "0000:8a:00.0" as one number; 0: not known.
std::uint32_t place_number(const char* bus_id);
std::string place_text(std::uint32_t number);

struct GpuPlace {
  int device = -1;
  std::uint32_t place = 0;
};
/// Of CUDA's device; -1: of the one that is this thread's. Asks a driver that is loaded already.
GpuPlace gpu_place(int device);

}  // namespace p2plab::monitor
