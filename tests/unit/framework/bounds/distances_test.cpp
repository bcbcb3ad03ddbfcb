// SPDX-License-Identifier: Apache-2.0
// The least number of transfers and the least delay, on every preset, against Floyd and Warshall over all nodes.
#include <algorithm>
#include <limits>
#include <tuple>

#include <gtest/gtest.h>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/presets.h"

namespace p2plab::distances_test {
namespace {

constexpr double out_of_reach = std::numeric_limits<double>::infinity();
constexpr int most_ranks = 32;  // bandwidth bounds of larger machines take seconds

// The least sum over paths of `cost` of each link, from every node to every other one.
template <class Cost>
std::vector<std::vector<double>> least_sums(const Topology& topology, const Cost& cost) {
  const auto n = topology.nodes().size();
  std::vector<std::vector<double>> sums(n, std::vector<double>(n, out_of_reach));
  for (std::size_t i = 0; i < n; ++i) sums[i][i] = 0;
  for (const auto& link : topology.links()) {
    auto& sum = sums[link.from.index()][link.to.index()];
    sum = std::min(sum, cost(link));
  }
  for (std::size_t via = 0; via < n; ++via) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) sums[i][j] = std::min(sums[i][j], sums[i][via] + sums[via][j]);
    }
  }
  return sums;
}

TEST(Distances, OnEveryPresetTheBoundsStepsAndDelaysAreThoseOfAllShortestPaths) {
  int tried = 0;
  for (const auto& preset : builtin_presets()) {
    const auto topology = make_preset(preset.name, {});
    ASSERT_TRUE(topology) << preset.name;
    if (topology->ranks() > most_ranks) continue;
    ++tried;
    const auto transfers = least_sums(*topology, [&](const Link& link) { return topology->node(link.to).kind == NodeKind::gpu ? 1.0 : 0.0; });
    const auto delays = least_sums(*topology, [](const Link& link) { return link.latency.count(); });
    const auto at = [&](const auto& sums, int from, int to) {
      return sums[topology->node_of(Rank{from}).index()][topology->node_of(Rank{to}).index()];
    };
    const int root = topology->ranks() / 2;
    double all_transfers = 0, all_delays = 0, down = 0, down_delay = 0, up = 0, up_delay = 0;
    for (int a = 0; a < topology->ranks(); ++a) {
      for (int b = 0; b < topology->ranks(); ++b) {
        all_transfers = std::max(all_transfers, at(transfers, a, b));
        all_delays = std::max(all_delays, at(delays, a, b));
      }
      down = std::max(down, at(transfers, root, a));
      down_delay = std::max(down_delay, at(delays, root, a));
      up = std::max(up, at(transfers, a, root));
      up_delay = std::max(up_delay, at(delays, a, root));
    }
    const auto expect = [&](CollectiveKind kind, double steps, double delay) {
      const auto found = bound(*topology, make_collective(kind, topology->ranks(), Rank{root}));
      ASSERT_TRUE(found) << preset.name;
      EXPECT_EQ(found->latency_steps, steps) << preset.name << ' ' << to_string(kind);
      EXPECT_NEAR(found->latency.count(), delay, 1e-15) << preset.name << ' ' << to_string(kind);
    };
    expect(CollectiveKind::all_gather, all_transfers, all_delays);
    expect(CollectiveKind::reduce_scatter, all_transfers, all_delays);
    expect(CollectiveKind::broadcast, down, down_delay);
    expect(CollectiveKind::reduce, up, up_delay);
    expect(CollectiveKind::scatter, down, down_delay);
    expect(CollectiveKind::gather, up, up_delay);
  }
  EXPECT_GT(tried, 10);
}

// One GPU of each kind tells for all: any of a torus, but of a mesh those of a corner are the farthest from others.
TEST(Distances, OfManyGpusAreThoseOfTheFarthest) {
  for (const auto& [name, dims, hops] : {std::tuple{"torus", "16x16", 16}, std::tuple{"mesh", "8x33", 7 + 32}}) {
    const auto machine = *make_preset(name, {{"dims", dims}, {"latency", "1 us"}});
    const auto found = bound(machine, make_collective(CollectiveKind::all_gather, machine.ranks()));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->latency_steps, hops) << name;
    EXPECT_NEAR(found->latency.count(), hops * 1e-6, 1e-12) << name;
  }
}

}  // namespace
}  // namespace p2plab::distances_test
