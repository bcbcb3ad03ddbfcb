// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "p2plab/run/readings.h"

namespace p2plab {

namespace reading {

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto name : {link_speed,
                          link_width,
                          link_speed_most,
                          link_width_most,
                          acs_redirect,
                          bar_largest,
                          iommu_type,
                          performance_state,
                          pcie_generation_possible,
                          pcie_width_possible,
                          pcie_replays,
                          memory_total,
                          memory_used,
                          processor_clock,
                          throttle,
                          temperature,
                          persistence,
                          compute_mode,
                          ecc_uncorrected,
                          remap_pending,
                          remap_failed,
                          mig,
                          fabric_state,
                          nvlink_errors,
                          nvlink_crc_errors,
                          nvlink_counters,
                          processes,
                          peer_read,
                          peer_write,
                          driver_module,
                          nouveau,
                          virtual_machine,
                          container,
                          kernel_arguments,
                          shared_memory_total,
                          shared_memory_free,
                          locked_memory,
                          processors_allowed,
                          numa_distances,
                          numa_processors,
                          usable,
                          environment})
    all.emplace_back(name);
  return all;
}

std::vector<std::string> variables() {
  return {"CUDA_VISIBLE_DEVICES",
          "CUDA_DEVICE_ORDER",
          "CUDA_LAUNCH_BLOCKING",
          "CUDA_DEVICE_MAX_CONNECTIONS",
          "NVIDIA_VISIBLE_DEVICES",
          "NCCL_P2P_DISABLE",
          "NCCL_P2P_LEVEL",
          "NCCL_SHM_DISABLE",
          "NCCL_IB_DISABLE",
          "NCCL_NET_GDR_LEVEL",
          "NCCL_SOCKET_IFNAME",
          "NCCL_IB_HCA",
          "NCCL_ALGO",
          "NCCL_PROTO",
          "NCCL_NVLS_ENABLE",
          "NCCL_CUMEM_ENABLE",
          "NCCL_MIN_NCHANNELS",
          "NCCL_MAX_NCHANNELS",
          "NCCL_MIN_CTAS",
          "NCCL_MAX_CTAS",
          "NCCL_NTHREADS",
          "NCCL_BUFFSIZE",
          "NCCL_TOPO_FILE",
          "NCCL_GRAPH_FILE",
          "NCCL_TUNER_PLUGIN",
          "NCCL_DEBUG",
          "NCCL_IGNORE_DISABLED_P2P",
          "NCCL_LAUNCH_MODE",
          "NCCL_P2P_DIRECT_DISABLE",
          "PYTORCH_CUDA_ALLOC_CONF",
          "PYTORCH_ALLOC_CONF",
          "VLLM_SKIP_P2P_CHECK",
          "VLLM_DISABLE_CUSTOM_ALL_REDUCE",
          "VLLM_ALLREDUCE_USE_SYMM_MEM",
          "SGLANG_SKIP_P2P_CHECK",
          "EXL3_TP_NO_P2P",
          "TORCH_NCCL_BLOCKING_WAIT",
          "OMP_NUM_THREADS"};
}

}  // namespace reading

const char* ReadingSources::default_variable(const char* name) { return std::getenv(name); }

}  // namespace p2plab
