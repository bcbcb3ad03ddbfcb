// SPDX-License-Identifier: Apache-2.0
// What a rank can read and write on a machine.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// Asks whether data can move between an executor and a location: from it if read, to it if written.
class StepAccess {
 public:
  /// The links of an explicit route.
  using RouteLinks = std::function<std::span<const LinkId>(RouteId)>;
  StepAccess(const Topology& topology, std::size_t explicit_routes, RouteLinks links);
  /// The explicit routes are those of `schedule`.
  StepAccess(const Topology& topology, const Schedule& schedule)
      : StepAccess(topology, schedule.route_count(), [&schedule](RouteId id) { return schedule.route(id); }) {}

  /// What is missing for it; none if nothing is.
  std::optional<std::string> missing(Rank executor, const Location& location, RouteId route, bool reads) const;

 private:
  // Where an explicit route leads, so that it is walked once, however often it is named.
  struct NamedRoute {
    NodeId from;
    NodeId to;
    bool whole = false;
  };

  std::optional<std::string> missing_on(Rank executor, const Location& location, RouteId route, bool reads) const;
  std::optional<std::string> walk(RouteId route, NodeId& place) const;

  const Topology& topology_;
  const Routes& routes_;
  RouteLinks links_;
  std::vector<NamedRoute> named_routes_;
};

}  // namespace p2plab
