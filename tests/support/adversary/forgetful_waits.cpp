// SPDX-License-Identifier: Apache-2.0
#include "support/adversary/forgetful_waits.h"

#include <algorithm>
#include <set>

#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab::test {

namespace {

struct Place {
  LaneId lane{-1};
  std::int32_t instruction = 0;
};

// Per location: the last writer and who has read since.
struct Access {
  std::int64_t writer = -1;
  std::vector<std::int64_t> readers;
};

}  // namespace

void forget_what_is_covered(Program& program, const Schedule& schedule, const Proof& proof) {
  std::vector<Place> places(schedule.step_count());
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    for (std::uint32_t i = 0; i < program.lanes[l].count; ++i) {
      const LaneId lane{static_cast<std::int64_t>(l)};
      places[program.at(lane, static_cast<std::int32_t>(i)).step.index()] = {lane, static_cast<std::int32_t>(i)};
    }
  }
  for (auto& instruction : program.instructions) instruction.signals = false;
  program.waits.clear();
  const LocationIndex index(schedule, proof.in_place());
  std::vector<Access> accesses(index.size());
  StepReader steps(schedule);
  for (std::size_t s = 0; s < schedule.step_count(); ++s) {
    const auto& place = places[s];
    if (place.lane.value < 0) continue;
    const auto step = steps(StepId{static_cast<std::int64_t>(s)});
    std::set<std::int64_t> found;
    for (const auto& source : step.sources) {
      auto& access = accesses[index(source)];
      found.insert(access.writer);
      access.readers.push_back(static_cast<std::int64_t>(s));
    }
    for (const auto& destination : step.destinations) {
      auto& access = accesses[index(destination)];
      found.insert(access.writer);
      found.insert(access.readers.begin(), access.readers.end());
      access = {static_cast<std::int64_t>(s), {}};
    }
    auto& instruction = program.instructions[program.lanes[place.lane.index()].first + static_cast<std::uint32_t>(place.instruction)];
    instruction.waits = static_cast<std::uint32_t>(program.waits.size());
    for (const auto before : found) {
      if (before < 0 || before == static_cast<std::int64_t>(s) || places[static_cast<std::size_t>(before)].lane == place.lane) continue;
      const auto& awaited = places[static_cast<std::size_t>(before)];
      program.instructions[program.lanes[awaited.lane.index()].first + static_cast<std::uint32_t>(awaited.instruction)].signals = true;
      program.waits.push_back({awaited.lane, awaited.instruction});
    }
    instruction.wait_count = static_cast<std::uint32_t>(program.waits.size()) - instruction.waits;
  }
}

}  // namespace p2plab::test
