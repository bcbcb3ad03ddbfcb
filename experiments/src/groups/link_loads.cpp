// SPDX-License-Identifier: Apache-2.0
#include "groups/link_loads.h"

#include "p2plab/machine/routes.h"

namespace p2plab {

std::vector<double> link_loads(const Topology& topology, const Program& program) {
  const auto& routes = topology.routes();
  std::vector<double> loads(topology.links().size());
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      const auto& instruction = program.instructions[i];
      const auto add = [&](const Operand& operand, bool reads) {
        if (operand.rank == lane.rank) return;
        auto path = reads ? routes.between(operand.rank, lane.rank) : routes.between(lane.rank, operand.rank);
        if (operand.route != default_route) path = program.route(operand.route);
        for (const auto link : path) loads[link.index()] += static_cast<double>(instruction.bytes);
      };
      for (const auto& source : program.sources(instruction)) add(source, true);
      for (const auto& destination : program.destinations(instruction)) add(destination, false);
    }
  }
  return loads;
}

}  // namespace p2plab
