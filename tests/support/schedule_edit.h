// SPDX-License-Identifier: Apache-2.0
// A schedule taken apart into lists that a test may edit, and put together again.
#pragma once

#include <vector>

#include "p2plab/schedule/step_reader.h"

namespace p2plab::test {

/// A step that owns its lists. `routes` is empty or gives one per source, then one per destination.
struct EditedStep {
  Rank executor;
  std::vector<Location> sources;
  std::vector<Location> destinations;
  std::vector<RouteId> routes;
};

/// Everything a schedule is made of, open to change; of a folded one all steps that it stands for.
struct ScheduleEdit {
  Collective collective;
  int ranks = 0;
  std::vector<Chunk> chunks;
  std::vector<std::vector<LinkId>> routes;
  std::vector<EditedStep> steps;

  explicit ScheduleEdit(const Schedule& from)
      : collective(from.collective()), ranks(from.ranks()), chunks(from.chunks().begin(), from.chunks().end()) {
    for (std::size_t i = 0; i < from.route_count(); ++i) {
      const auto links = from.route(RouteId{static_cast<std::int64_t>(i)});
      routes.emplace_back(links.begin(), links.end());
    }
    StepReader read(from);
    for (std::size_t i = 0; i < from.step_count(); ++i) {
      const auto step = read(StepId{static_cast<std::int64_t>(i)});
      steps.push_back({step.executor,
                       {step.sources.begin(), step.sources.end()},
                       {step.destinations.begin(), step.destinations.end()},
                       {step.routes.begin(), step.routes.end()}});
    }
  }

  /// The schedule of the lists as they are now. Errors: those of the builder.
  Result<Schedule> rebuilt() const {
    auto builder = Schedule::Builder::create(collective, ranks);
    if (!builder) return std::move(builder).error();
    for (const auto& chunk : chunks) builder->add_chunk(chunk);
    for (const auto& route : routes) builder->add_route(route);
    for (const auto& step : steps) builder->add_step(step.executor, step.sources, step.destinations, step.routes);
    return std::move(*builder).build();
  }
};

}  // namespace p2plab::test
