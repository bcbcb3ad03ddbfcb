// SPDX-License-Identifier: Apache-2.0
// How fast PCIe and the links between sockets are: what answers, descriptions and tables say, in that order, else what is assumed.
#pragma once

#include <vector>

#include "sources/source_list.h"

namespace p2plab {

/// Data through host memory, by the PCIe link that it takes: memory and root complex leave a part of that, and no description tells which. Half is
/// assumed: with NCCL, four H200 without peer access reached 0.46 of their PCIe, four RTX 4090 0.34 by copy engines and 0.07 by its defaults.
Sourced through_host_memory(const Sourced& pcie);

class DeviceRates {
 public:
  DeviceRates(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const MachineAnswers& answers)
      : tree_(tree), gpus_(gpus), answers_(answers) {}

  Sourced pcie(const Device& part) const;
  /// The same where all that it carries goes through host memory.
  Sourced host_memory(const Device& part) const;
  /// What is known of a PCIe switch, which is then among the sources.
  SwitchModel switch_model(const Device& part, const std::string& name, SourceList& sources) const;
  /// The transfer between two sockets, by the CPUs at its ends.
  Sourced socket_link(const CpuModel& cpu) const;

 private:
  const DeviceTree& tree_;
  const std::vector<std::size_t>& gpus_;
  const MachineAnswers& answers_;
};

}  // namespace p2plab
