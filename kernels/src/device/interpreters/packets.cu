// SPDX-License-Identifier: Apache-2.0
// Launches of packet kernels, and of those made for a program.
#include "device/interpreters/noting.h"
#include "device/interpreters/packet_kernels.cuh"

namespace p2plab::device {

CudaCode launch_packets(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const args::PacketCall& call,
                        StreamHandle stream) {
  return choice.steps ? launch_noting_packets(choice, shape, tables, call, stream) : launch<false>(choice, shape, tables, call, stream);
}

CudaCode launch_special(const void* kernel, const LaunchShape& shape, const std::uint64_t* parameters, const args::PacketCall& call,
                        StreamHandle stream, const args::EpilogueCall* epilogue) {
  void* arguments[] = {const_cast<std::uint64_t*>(parameters), const_cast<args::PacketCall*>(&call), const_cast<args::EpilogueCall*>(epilogue)};
  return launch_kernel(kernel, shape, stream, arguments);
}

int resident_special_blocks(const void* kernel, std::uint32_t threads, std::uint32_t cluster) {
  if (cluster <= 1) return resident_blocks(kernel, threads);
  const int clusters = resident_clusters(kernel, threads, cluster);
  return clusters > 0 ? clusters * static_cast<int>(cluster) : clusters;
}

int resident_packet_blocks(const KernelChoice& choice, std::uint32_t threads) {
  return choice.steps ? resident_noting_packet_blocks(choice, threads) : resident<false>(choice, threads);
}

}  // namespace p2plab::device
