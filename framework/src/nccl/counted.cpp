// SPDX-License-Identifier: Apache-2.0
#include "nccl/counted.h"

#include <array>
#include <cmath>

#include "sources/tables/link_rates.h"

namespace p2plab::nccl {

namespace {

// NCCL's bandwidth of a lane, in 80ths of a GB/s.
struct Lane {
  double gigatransfers;
  double counted;
};
constexpr std::array lanes{Lane{2.5, 15}, Lane{5, 30}, Lane{8, 60}, Lane{16, 120}, Lane{32, 240}, Lane{64, 480}};

double counted_pcie(double gbps) {
  constexpr double near = 0.002;
  for (const auto& lane : lanes) {
    for (const int width : {16, 8, 4, 2, 1}) {
      const auto nominal = pcie_rate(lane.gigatransfers, width)->gbps();
      if (std::abs(gbps - nominal) < near * nominal) return lane.counted * width / 80;
    }
  }
  return gbps;
}

}  // namespace

double counted_gbps(const Link& link, double nvlink_share) {
  const auto gbps = link.bandwidth.gbps();
  if (link.kind == LinkKind::nvlink) return gbps * nvlink_share;
  return link.kind == LinkKind::pcie ? counted_pcie(gbps) : gbps;
}

}  // namespace p2plab::nccl
