// SPDX-License-Identifier: Apache-2.0
// The machine that the page draws.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "cli/monitor/serve.h"
#include "config/topology_source.h"
#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/run/detect.h"

namespace p2plab::cli {

namespace {

double leaving(const Topology& topology, NodeId gpu) {
  double by_nvlink = 0;
  double all = 0;
  for (const auto id : topology.out_links(gpu)) {
    const auto& link = topology.link(id);
    const auto rate = static_cast<double>(link.bandwidth.bytes_per_second());
    all += rate;
    by_nvlink += link.kind == LinkKind::nvlink ? rate : 0;
  }
  return by_nvlink > 0 ? by_nvlink : all;
}

// Its ranks are CUDA's devices, as this process sees them.
Result<Topology> this_machine(std::vector<std::string>& places) {
  const auto facts = gather_facts();
  auto detected = build_machine(facts);
  if (!detected) return std::move(detected).error();
  for (const auto& gpu : facts.cuda) places.push_back(gpu.bus_id);
  return std::move(detected->topology);
}

}  // namespace

Result<std::string> machine_json(const MachineArgument& machine) {
  std::vector<std::string> places;  // of GPUs, by rank
  const auto topology = machine.empty() ? this_machine(places) : topology_from(machine);
  if (!topology && !machine.empty()) return topology.error();
  nlohmann::ordered_json json;
  if (topology) {
    json = {{"name", topology->name()}, {"svg", topology_svg(*topology)}, {"gpus", nlohmann::ordered_json::array()}};
    for (int rank = 0; rank < topology->ranks(); ++rank) {
      const auto node = topology->node_of(Rank{rank});
      const auto known = static_cast<std::size_t>(rank) < places.size();
      json["gpus"].push_back({{"name", topology->node(node).name},
                              {"place", known ? places[static_cast<std::size_t>(rank)] : ""},
                              {"bytes_a_second", leaving(*topology, node)}});
    }
  } else {
    json = {{"why", topology.error().message}};
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace p2plab::cli
