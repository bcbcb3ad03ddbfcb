// SPDX-License-Identifier: Apache-2.0
// What the ranks of a communicator know of the machine that they run on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "p2plab/segments/servers.h"
#include "runtime/device_calls.h"
#include "runtime/gpu_programs.h"

namespace p2plab::runtime {

struct RunningMachine {
  std::vector<std::string> buses;                 // where each rank's GPU is: "0000:8a:00.0"
  std::vector<std::string> gpus;                  // its name, as the driver has it
  std::vector<std::vector<device::Reach>> reach;  // [a][b]: by what way a's GPU touches b's memory, as either process sees it
  Servers servers;                                // of the ranks; GPUs of two servers do not reach each other
};

/// Ranks whose processes say the same are of one server; `said`: by rank.
Servers servers_by(const std::vector<std::string>& said);

/// Everybody's text, by process.
using Gather = std::function<Result<std::vector<std::string>>(const std::string& mine)>;

/// Each process asks CUDA about the GPUs of its own ranks; all ranks know the same afterwards. Errors: device_failure, those of gathering.
Result<RunningMachine> look_around(const std::vector<GpuPrograms::Here>& here, const Servers& servers, const Gather& gather);

}  // namespace p2plab::runtime
