// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/together.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "compile/check_program.h"
#include "compile/compiled.h"
#include "compile/lower_bound.h"
#include "compile/packet_waves.h"
#include "compile/side_by_side.h"
#include "engine/engine.h"
#include "p2plab/program/packet_wire.h"

namespace p2plab {

namespace {

Result<Compiled> compiled_alone(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile) {
  if (program.folded) return Error{ErrorCode::unsupported, "a folded program is not played beside others"};
  if (program.epilogue) return Error{ErrorCode::unsupported, "a program with an epilogue is not played beside others"};
  if (program.tuning.protocol == Protocol::copy)
    return Error{ErrorCode::unsupported, "a program that runs by copy engines is not played beside others"};
  if (!program.packets) return compile(topology, routes, program, profile);
  if (auto ok = check_program(topology, program); !ok) return std::move(ok).error();
  return compile(topology, routes, packet_waves(program, packet_threads), profile);
}

Topology without_switch_models(const Topology& topology) {
  if (std::ranges::all_of(topology.nodes(), [](const Node& node) { return node.switching == SwitchModel{}; })) return topology;
  Topology::Builder builder(topology.name());
  for (auto node : topology.nodes()) {
    node.switching = {};
    builder.add_node(std::move(node));
  }
  for (const auto& link : topology.links()) builder.add_link(link);
  for (const auto& group : topology.groups()) builder.add_group(group);
  auto plain = std::move(builder).build();
  expects(static_cast<bool>(plain));
  return *std::move(plain);
}

TogetherResult collected(const Compiled& compiled, const Engine& engine, std::size_t programs) {
  TogetherResult result;
  result.finish.resize(programs);
  for (std::size_t l = 0; l < compiled.lanes.size(); ++l) {
    auto& finish = result.finish[compiled.lanes[l].program];
    finish = std::max(finish, SimTime{compiled.starts[compiled.lanes[l].rank.index()]});
    if (compiled.totals[l] == 0) continue;
    finish = std::max(finish, SimTime{engine.blocks().completions()[engine.blocks().first_of(l) + compiled.totals[l] - 1]});
  }
  for (std::size_t r = 0; r < compiled.resources.size(); ++r) {
    result.uses.push_back({compiled.names[r], Bytes{compiled.resources[r].bytes}, SimTime{compiled.resources[r].busy}});
  }
  result.slices = compiled.slices;
  result.transfers = engine.transfers();
  result.makespan = *std::ranges::max_element(result.finish);
  return result;
}

}  // namespace

Result<TogetherResult> simulate_together(const Topology& topology, std::span<const Program* const> programs, const Profile& profile) {
  if (programs.empty()) return TogetherResult{};
  auto without_quirks = profile;  // they hang on what all programs do together
  without_quirks.quirks = {.minimum_transfer = profile.quirks.minimum_transfer};
  const auto without_models = without_switch_models(topology);
  std::vector<Compiled> all;
  for (const auto* program : programs) {
    auto one = compiled_alone(without_models, topology.routes(), *program, without_quirks);
    if (!one) return std::move(one).error();
    all.push_back(*std::move(one));
  }
  auto joined = side_by_side(all, topology.ranks());
  all.clear();
  number_ranks(joined, topology.ranks(), false);
  apply_quirks(joined, topology, profile.quirks);
  number_ranks(joined, topology.ranks(), true);
  const auto path = longest_path(joined);
  if (path.bound >= latest) return Error{ErrorCode::unsupported, "the simulated time exceeds 26 days; check bandwidths and sizes"};
  Engine engine(joined, {});
  if (auto ok = engine.run(); !ok) return std::move(ok).error();
  auto result = collected(joined, engine, programs.size());
  result.bound = SimTime{path.bound};
  if (result.makespan >= result.bound) return result;
  return Error{.code = ErrorCode::verification_failed,
               .message = fmt::format("the simulator's result ({} ps) is below its own lower bound ({} ps)", result.makespan.count(), path.bound),
               .notes = {"this is a bug of p2plab, not of your input; please report it with the programs and the topology"}};
}

}  // namespace p2plab
