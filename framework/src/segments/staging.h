// SPDX-License-Identifier: Apache-2.0
// Steps that cross servers, written as messages and steps of one server.
#pragma once

#include <vector>

#include "p2plab/schedule/schedule.h"
#include "p2plab/segments/servers.h"

namespace p2plab::segments {

/// A message is two steps, one behind the other: its sender copies what it owns onto the wire, a slot of its own in the receiver's scratch memory
/// that stands for the transport's memory, and its receiver copies it from there.
enum class Role : std::uint8_t { local, send, receive };

struct StagedStep {
  Role role = Role::local;
  Rank executor;
  std::vector<Location> sources;
  std::vector<Location> destinations;
  std::vector<RouteId> routes;  // as in Step
};

/// All steps of `schedule` so, in an order of the same meaning. Slots of new memory follow those of the schedule, the wires come last.
std::vector<StagedStep> stage_steps(const Schedule& schedule, const Servers& servers);

/// The schedule of these steps: collective, chunks and routes are those of `schedule`.
Result<Schedule> schedule_of(const Schedule& schedule, const std::vector<StagedStep>& steps);

}  // namespace p2plab::segments
