// SPDX-License-Identifier: Apache-2.0
// Rates of links that descriptions name without saying how fast they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "p2plab/base/units.h"

namespace p2plab {

/// PCIe, one direction, from transfers per second (2.5, 5, 8, 16, 32 or 64 GT/s) and lanes, net of line coding: 8b/10b below 8 GT/s,
/// 128b/130b below 64, 242/256 flits at 64 (PCI Express base specification 6.0). None for other speeds.
std::optional<Bandwidth> pcie_rate(double gigatransfers, int lanes);

/// NVLink, one direction, data rate of one lane by compute capability (70, 80, 90, ...): 20 GB/s for 6.x, 14.0625 for 8.6, 25 up to 9.x, 50
/// from 10.0 on (NVIDIA's data sheets: 160, 112.5, 300 to 900, 1800 GB/s in both directions over 4, 4, 6 to 18, 18 lanes).
Bandwidth nvlink_lane(int compute_capability);

/// xGMI, one direction, one link, by AMD's target name ("906", "910", "gfx942"): 46 GB/s, gfx90a 50, gfx94x 64, gfx95x 76.8 (AMD's data sheets).
Bandwidth xgmi_link(std::string_view target);

/// Who made a CPU, as NCCL's topology file says it.
struct CpuModel {
  std::string arch;
  std::string vendor;
  int family = 0;
  int model = 0;
};

/// Between two sockets, one direction: NCCL's figures (graph/topo.h): Intel 6 to 40 GB/s by model, AMD 16, ARM 6, POWER 32; none if unknown.
std::optional<Bandwidth> socket_rate(const CpuModel& cpu);

/// What stands in for an unknown CPU: that of an Intel server of 2017 to 2022.
inline constexpr Bandwidth unknown_socket_rate = GBps(10);

}  // namespace p2plab
