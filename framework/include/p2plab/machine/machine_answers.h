// SPDX-License-Identifier: Apache-2.0
// What a person says about a machine where its description is silent or wrong.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// Answers to the questions that a description leaves open; zero, empty or none: not answered. They come before what a table knows, and before what
/// the description says of a speed.
struct MachineAnswers {
  std::string gpu = {};                            // "h200", "RTX 4090", as nvidia-smi or people write it
  int pcie_gen = 0;                                // 1 to 6, of every GPU
  int pcie_width = 0;                              // lanes
  Bandwidth pcie = {};                             // of a GPU's PCIe link, instead of generation and width
  std::string cpu = {};                            // "turin", "sapphire rapids"
  std::string pcie_switch = {};                    // "pex890xx": of every PCIe switch
  std::string sockets = {};                        // how many ("2": the NUMA nodes evenly in order), or which GPUs are together ("0-3|4-7")
  Bandwidth socket_link = {};                      // between two sockets, in one direction
  int nvlinks = 0;                                 // of a GPU
  Bandwidth nvlink = {};                           // of one NVLink or xGMI link, in one direction
  std::optional<bool> nvswitch = std::nullopt;     // do switches join GPUs that all reach each other over NVLink?
  std::optional<bool> peer_access = std::nullopt;  // may GPUs reach each other's memory over PCIe?
  Bandwidth host_memory = {};                      // of data between GPUs that goes through host memory, of each GPU in one direction
  Bandwidth nic = {};                              // of each network interface
  std::string server = {};                         // what each host of a network is: "hgx-h100", or a file
  bool pcie_beside_nvlink = false;                 // keep PCIe between GPUs that NVLinks join
  bool operator==(const MachineAnswers&) const = default;
};

/// Answers as `key=value`: gpu, pcie_gen, pcie_width, pcie, switch, cpu, sockets, socket_link, nvlinks, nvlink, nvswitch (yes, no), peer_access (yes,
/// no), host_memory, nic, server, pcie_beside_nvlink (yes, no). Errors, all in one: unknown keys with the nearest, values that are none, names that
/// no table has.
Result<MachineAnswers> read_answers(const std::vector<std::pair<std::string, std::string>>& words);

/// The keys that `read_answers` takes.
std::vector<std::string> answer_keys();

}  // namespace p2plab
