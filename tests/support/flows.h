// SPDX-License-Identifier: Apache-2.0
// Traffic without dependencies: flows that start together.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "p2plab/program/program.h"

namespace p2plab::test {

struct Flow {
  int from = 0;
  int to = 0;
  std::int64_t bytes = 0;
};

/// A lane for each flow.
inline Program program_of(std::vector<Flow> flows, int ranks, Bytes slice) {
  Program program;
  program.collective = make_collective(CollectiveKind::all_to_all, ranks);
  program.tuning.slice = slice;
  program.memory.resize(static_cast<std::size_t>(ranks));
  std::ranges::stable_sort(flows, {}, &Flow::from);
  for (const auto& flow : flows) {
    const auto index = static_cast<std::uint32_t>(program.instructions.size());
    program.lanes.push_back({Rank{flow.from}, index, 1});
    program.instructions.push_back({.step = StepId{index}, .bytes = flow.bytes, .operands = index * 2, .sources = 1, .destinations = 1});
    program.operands.push_back({Rank{flow.from}, Buffer::input, default_route, 0});
    program.operands.push_back({Rank{flow.to}, Buffer::scratch, default_route, std::int64_t{index} << 40});
  }
  return program;
}

inline std::vector<Flow> random_flows(std::mt19937_64& random, int ranks, int count, Bytes most) {
  const auto below = [&](std::int64_t limit) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit)); };
  std::vector<Flow> flows;
  for (int f = 0; f < count; ++f) {
    const auto from = static_cast<int>(below(ranks));
    flows.push_back({from, static_cast<int>((from + 1 + below(ranks - 1)) % ranks), 1 + below(most.count())});
  }
  return flows;
}

}  // namespace p2plab::test
