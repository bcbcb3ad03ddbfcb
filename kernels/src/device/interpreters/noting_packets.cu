// SPDX-License-Identifier: Apache-2.0
// The packet kernels that note steps.
#include "device/interpreters/noting.h"
#include "device/interpreters/packet_kernels.cuh"

namespace p2plab::device {

CudaCode launch_noting_packets(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const args::PacketCall& call,
                               StreamHandle stream) {
  return launch<true>(choice, shape, tables, call, stream);
}

int resident_noting_packet_blocks(const KernelChoice& choice, std::uint32_t threads) { return resident<true>(choice, threads); }

}  // namespace p2plab::device
