// SPDX-License-Identifier: Apache-2.0
// Columns: per commodity and link what flows, and the common rate. Rows: capacities; what comes in goes out, but for what is meant to stay.
#include "bounds/programs.h"

#include "bounds/at_scale.h"
#include "bounds/shared_links.h"
#include "p2plab/detail/linear_program.h"

namespace p2plab::bounds {

namespace {

std::optional<PricedRate> solved_rate(const Topology& topology, const std::vector<Commodity>& commodities, bool reversed,
                                      const std::function<bool()>& stop) {
  const auto links = static_cast<int>(topology.links().size());
  const auto nodes = static_cast<int>(topology.nodes().size());
  const auto count = static_cast<int>(commodities.size());
  const int rate = count * links;
  std::vector<double> objective(static_cast<std::size_t>(rate) + 1, 0);
  objective.back() = 1;
  const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
  LinearProgram program(objective, upper);
  program.stop_when(stop);
  const auto rows = add_capacities(program, topology, [&](LinkId link) {
    std::vector<int> columns;
    for (int c = 0; c < count; ++c) columns.push_back(c * links + link.value);
    return columns;
  });
  for (int c = 0; c < count; ++c) {
    const auto& commodity = commodities[static_cast<std::size_t>(c)];
    std::vector<double> stays(static_cast<std::size_t>(nodes));
    for (const auto& [sink, weight] : commodity.sinks) stays[static_cast<std::size_t>(sink)] += static_cast<double>(weight);
    for (int v = 0; v < nodes; ++v) {
      if (v == commodity.source) continue;
      const auto ins = reversed ? topology.out_links(NodeId{v}) : topology.in_links(NodeId{v});
      const auto outs = reversed ? topology.in_links(NodeId{v}) : topology.out_links(NodeId{v});
      std::vector<LinearProgram::Term> row;
      for (const auto link : ins) row.push_back({c * links + link.value, 1});
      for (const auto link : outs) row.push_back({c * links + link.value, -1});
      if (stays[static_cast<std::size_t>(v)] > 0) row.push_back({rate, -stays[static_cast<std::size_t>(v)]});
      if (!row.empty()) program.add_row(0, row, 0);
    }
  }
  if (!program.solve()) return std::nullopt;
  return PricedRate{program.objective() * widest_link(topology), prices_of_rows(program, rows)};
}

}  // namespace

std::optional<PricedRate> flow_rate(const Topology& topology, const std::vector<Commodity>& commodities, bool reversed,
                                    const std::function<bool()>& stop) {
  double uses = 0;
  for (const auto& commodity : commodities) {
    for (const auto& [sink, weight] : commodity.sinks) uses += static_cast<double>(weight);
  }
  return at_scale(
      topology, uses, [&](const Topology& machine) { return solved_rate(machine, commodities, reversed, stop); },
      [](const PricedRate& found) { return found.rate; });
}

}  // namespace p2plab::bounds
