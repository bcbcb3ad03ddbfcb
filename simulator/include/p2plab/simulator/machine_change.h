// SPDX-License-Identifier: Apache-2.0
// The same machine with something slower, faster or gone, so that a program made for it can be timed there.
#pragma once

#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// All links between two nodes, both ways: their bandwidth times `factor`; 0 means lost.
struct LinkChange {
  std::string a;
  std::string b;
  double factor = 1;
};
/// All links of a GPU and its own limits, both ways, times `factor`; above zero.
struct GpuChange {
  std::string gpu;
  double factor = 1;
};
struct MachineChange {
  std::vector<LinkChange> links = {};
  std::vector<GpuChange> gpus = {};
};

/// "link gpu0 - sw0 x 0.5, gpu3 x 0.8".
std::string describe(const MachineChange& change);

/// A changed machine; ranks and node ids are those of the old one.
struct ChangedMachine {
  Topology topology;
  std::vector<LinkId> links;  // by old LinkId: the new one, or -1 for one that is lost
};

/// Errors, each with the nearest valid name: nodes that are not there or not linked; a factor that is not finite, negative, or zero for a GPU.
Result<ChangedMachine> change_machine(const Topology& topology, const MachineChange& change);

/// The program with its explicit routes renamed. Errors: unsupported, if one of them needs a link that is lost.
Result<Program> on_machine(Program program, const ChangedMachine& machine);

/// Every link's bandwidth times its own factor, all above zero; ids stay.
Topology scale_links(const Topology& topology, const std::vector<double>& factors);
/// Every link's latency times its own factor; ids stay.
Topology scale_latencies(const Topology& topology, const std::vector<double>& factors);

}  // namespace p2plab
