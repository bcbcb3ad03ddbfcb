// SPDX-License-Identifier: Apache-2.0
// What planners say that do not plan; declared in data_flow.h.
#include <algorithm>

#include <fmt/format.h>

#include "common/data_flow.h"

namespace p2plab {

Error unsupported(const std::string& planner, CollectiveKind kind, const std::string& why, const std::string& advice) {
  return {.code = ErrorCode::unsupported, .message = fmt::format("{} does not do {}: {}", planner, to_string(kind), why), .notes = {advice}};
}

Error no_path(const Topology& topology, const std::string& planner, Rank from, Rank to, const std::string& advice) {
  return {.code = ErrorCode::unsupported,
          .message = fmt::format("{} sends from rank {} to rank {}, but no path leads from {} to {} without passing another GPU", planner, from.value,
                                 to.value, topology.node(topology.node_of(from)).name, topology.node(topology.node_of(to)).name),
          .notes = {advice}};
}

std::optional<Error> too_long(const std::string& planner, std::size_t steps, const PlanContext& context) {
  if (steps <= context.most_steps) return std::nullopt;
  return Error{ErrorCode::unsupported,
               fmt::format("{} would take {} steps or more, beyond the {} that are looked at", planner, steps, context.most_steps)};
}

std::optional<Error> too_long_by_pairs(const std::string& planner, const Collective& collective, const PlanContext& context) {
  const auto contributors = collective.members.size() - std::min(collective.silent.size(), collective.members.size());
  return too_long(planner, contributors * (collective.members.size() - 1), context);
}

}  // namespace p2plab
