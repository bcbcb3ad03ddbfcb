// SPDX-License-Identifier: Apache-2.0
// How fast PCIe and the links between sockets are: what answers, descriptions and tables say, in that order, else what is assumed.
#pragma once

#include <vector>

#include "sources/device_tree.h"

namespace p2plab {

class DeviceRates {
 public:
  DeviceRates(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const MachineAnswers& answers)
      : tree_(tree), gpus_(gpus), answers_(answers) {}

  Sourced pcie(const Device& part) const;
  /// The transfer between two sockets, by the CPUs at its ends.
  Sourced socket_link(const CpuModel& cpu) const;

 private:
  const DeviceTree& tree_;
  const std::vector<std::size_t>& gpus_;
  const MachineAnswers& answers_;
};

}  // namespace p2plab
