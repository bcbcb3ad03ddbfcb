// SPDX-License-Identifier: Apache-2.0
// Rates of links that descriptions name without saying how fast they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/units.h"

namespace p2plab {

/// PCIe, one direction, from transfers per second (2.5, 5, 8, 16, 32 or 64 GT/s) and lanes, net of line coding: 8b/10b below 8 GT/s,
/// 128b/130b below 64, 242/256 flits at 64 (PCI Express base specification 6.0). None for other speeds.
std::optional<Bandwidth> pcie_rate(double gigatransfers, int lanes);

/// The transfers per second of a PCIe generation, 1 to 6; 0 for others.
double transfers_of_generation(int generation);

/// NVLink, one direction, data rate of one by compute capability (70, 80, 90, ...): 20 GB/s for 6.x, 14.0625 for 8.6, 25 up to 9.x, 50
/// from 10.0 on (NVIDIA's data sheets: 160, 112.5, 300 to 900, 1800 GB/s in both directions over 4, 4, 6 to 18, 18 lanes).
Bandwidth nvlink_lane(int compute_capability);

/// xGMI, one direction, one link, by AMD's target name ("906", "910", "gfx942"): 46 GB/s, gfx90a 50, gfx94x 64, gfx95x 76.8 (AMD's data sheets).
Bandwidth xgmi_link(std::string_view target);

/// A NIC's network by name: edr, hdr, ndr, xdr (InfiniBand, four lanes), roce100, roce200, roce400, roce800 (Ethernet). What is left for data where
/// packets carry 4096 bytes: InfiniBand adds 26 (LRH, BTH, ICRC, VCRC), RoCE v2 82 (preamble and gap, Ethernet, IPv4, UDP, BTH, ICRC, FCS). None for
/// other names.
std::optional<Bandwidth> network_rate(std::string_view name);
std::vector<std::string> network_names();

/// Latencies of one link, the same in presets and in machines that are imported or detected. A path's links add up, so a way through one switch
/// takes two of them.
/// NVLink to an NVSwitch by compute capability: Hopper 325 ns (0.65 us from a relaxed store on one H200 to its sight on another, measured with
/// `p2plab calibrate`; NCCL's table says 0.6 us, src/graph/tuning.cc; a store with release order takes 1.24 us, but its fence is no link's);
/// V100 350 ns (microsoft/TE-CCL, DGX-2); others 500 ns, for want of a published figure.
Seconds nvswitch_latency(int compute_capability);
/// NVLink between two GPUs: 0.7 us (microsoft/TE-CCL, NDv2; the same figure in TACCL's table).
inline constexpr Seconds direct_nvlink_latency{700e-9};
/// xGMI between two GPUs: no published figure for one link.
inline constexpr Seconds xgmi_latency{500e-9};
/// PCIe: 0.72 us through one switch and 1.42 us through two and the root on a server of 8 RTX PRO 6000 (voipmonitor/rtx6kpro,
/// wrx90-cpayne-2switch-flat.md).
inline constexpr Seconds pcie_latency{360e-9};
/// Half of InfiniBand's 2.6 us, for the way from NIC to switch or from switch to NIC (microsoft/taccl, topo-ndv2-1MB.json).
inline constexpr Seconds network_latency{1300e-9};

}  // namespace p2plab
