// SPDX-License-Identifier: Apache-2.0
// A network is run again and again, and after capacities changed: each run is that of a new network.
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "p2plab/detail/max_flow.h"

namespace p2plab::max_flow_test {
namespace {

struct Arc {
  int from;
  int to;
  std::int64_t capacity;
};

MaxFlow<std::int64_t> network(int vertices, const std::vector<Arc>& arcs) {
  MaxFlow<std::int64_t> made(vertices);
  for (const auto& arc : arcs) made.add_arc(arc.from, arc.to, arc.capacity);
  return made;
}

TEST(MaxFlow, RunsLikeANewNetworkEachTime) {
  std::mt19937 random{7};
  const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  for (int round = 0; round < 50; ++round) {
    const int vertices = 2 + below(12);
    std::vector<Arc> arcs;
    for (int a = 0; a < 4 * vertices; ++a) arcs.push_back({below(vertices), below(vertices), below(20)});
    auto again = network(vertices, arcs);
    for (int run = 0; run < 20; ++run) {
      for (int changes = below(4); changes > 0; --changes) {
        const auto at = below(static_cast<int>(arcs.size()));
        again.set_capacity(at, arcs[static_cast<std::size_t>(at)].capacity = below(20));
      }
      const int source = below(vertices);
      const int sink = (source + 1 + below(vertices - 1)) % vertices;
      const std::int64_t limit = run % 3 == 0 ? below(30) : 1000;
      auto fresh = network(vertices, arcs);
      const auto flow = again.run(source, sink, limit);
      ASSERT_EQ(flow, fresh.run(source, sink, limit));
      for (int a = 0; a < static_cast<int>(arcs.size()); ++a) EXPECT_EQ(again.flow(a), fresh.flow(a));
      for (int v = 0; flow < limit && v < vertices; ++v) EXPECT_EQ(again.on_source_side(v), fresh.on_source_side(v));
    }
  }
}

}  // namespace
}  // namespace p2plab::max_flow_test
