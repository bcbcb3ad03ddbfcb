// SPDX-License-Identifier: Apache-2.0
// How long a call of NCCL takes as it was run: its formula, and what the formula leaves out (how kernels are launched, transports through host
// memory, all-to-all).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "p2plab/nccl/nccl_model.h"

namespace p2plab::nccl {

/// How collectives are launched, and what a call costs beside what NCCL's base latencies hold, which are those of one process a GPU without graphs.
/// Of many calls in a row the caller needs `least` for each, and `each` more for every GPU that one thread launches for; the GPUs are busy with the
/// call before meanwhile. `kernel` is what a bare kernel of ours costs more than in a graph, whose launches a profile holds, each GPU that one thread
/// launches for, or one where each has its own thread. Microseconds, each with its interval. By CUDA's events or the host's clock is the same where
/// calls are many in a row, as nccl-tests and `bench` time them.
struct LaunchMode {
  std::string_view name;
  std::string_view meaning;
  double fixed_us = 0;
  double fixed_low_us = 0;
  double fixed_high_us = 0;
  double kernel_us = 0;
  double kernel_low_us = 0;
  double kernel_high_us = 0;
  double least_us = 0;
  double least_low_us = 0;
  double least_high_us = 0;
  double each_us = 0;
  double each_newer_us = 0;  // by CPUs with PCIe gen 5; 0: alike
  double each_low_us = 0;
  double each_high_us = 0;
  bool one_thread = false;  // launches for all GPUs
  std::string_view source;
};

std::span<const LaunchMode> launch_modes();
/// Errors: unknown_name with the nearest.
Result<LaunchMode> launch_mode(std::string_view name);
/// A time with the interval in which nine of ten published ones should lie.
struct Ends {
  Seconds time{0};
  Seconds low{0};
  Seconds high{0};
};
/// What a call among so many GPUs takes so, of many in a row, from what it takes by one process a GPU whose launches cost nothing more. At
/// worst launches and GPUs wait for each other.
Ends as_run(const LaunchMode& mode, int gpus, const Ends& alone, bool newer_host = false);

/// What a call of a bare kernel costs more than in a graph.
struct KernelLaunch {
  Seconds time{0};
  Seconds low{0};
  Seconds high{0};
};
KernelLaunch kernel_launch(const LaunchMode& mode, int gpus);

struct Estimate : Ends {
  Table::Choice choice = {};
};

/// What NCCL was told to use: NCCL_ALGO, NCCL_PROTO, NCCL_MIN_NCHANNELS and NCCL_MAX_NCHANNELS alike (0: its own number).
struct Asked {
  std::optional<Algorithm> algorithm = std::nullopt;
  std::optional<Proto> proto = std::nullopt;
  int channels = 0;
};

/// The time of one call, by the choice that NCCL's formula makes among what it was told; all-to-all by what its ports carry. Errors: unsupported, for
/// other collectives, and where what it was told leaves no choice.
Result<Estimate> estimate(const Topology& topology, const Communicator& communicator, CollectiveKind kind, Bytes size, const LaunchMode& mode,
                          const Asked& asked = {});

}  // namespace p2plab::nccl
