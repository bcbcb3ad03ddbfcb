// SPDX-License-Identifier: Apache-2.0
// Bounds of machines whose rates lie nine to fifteen powers of ten apart.
#include <random>

#include <gtest/gtest.h>

#include "p2plab/bounds/bounds.h"

namespace p2plab::far_apart_test {
namespace {

// A ring of six GPUs with chords, rates of 1000 to 9000 B/s, every third link `wide`; a limited node and a budget that two links share.
Topology machine_with(Bandwidth wide, unsigned seed) {
  std::mt19937 random{seed};
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  constexpr int gpus = 6;
  Topology::Builder builder("far apart");
  std::vector<NodeId> ids;
  for (int n = 0; n < gpus; ++n) {
    Node node{.name = "gpu" + std::to_string(n)};
    if (n == static_cast<int>(seed % 5)) node.egress = Bandwidth::bytes_per_second(3000);
    ids.push_back(builder.add_node(node));
  }
  int count = 0;
  const auto link = [&](int a, int b) {
    const auto rate = Bandwidth::bytes_per_second(1000 * (1 + below(9)));
    builder.add_link({ids[static_cast<std::size_t>(a)], ids[static_cast<std::size_t>(b)], LinkKind::other, count++ % 3 == 0 ? wide : rate, {}});
  };
  for (int n = 0; n < gpus; ++n) link(n, (n + 1) % gpus);
  for (int i = 0; i < 2 * gpus; ++i) {
    const int a = below(gpus);
    const int b = below(gpus);
    if (a != b) link(a, b);
  }
  builder.add_group({.name = "budget", .bandwidth = Bandwidth::bytes_per_second(2000), .links = {LinkId{1}, LinkId{2}}});
  return *std::move(builder).build();
}

// A link a thousand times as wide as all others together is no less than one that is 10^9 times as wide, whatever solvers make of the latter.
TEST(FarApart, BoundsAreTheSameHoweverWideTheLinksAreThatBindNothing) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    const auto near = machine_with(GBps(0.1), seed);
    const auto far = machine_with(GBps(9e6), seed);
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast, CollectiveKind::reduce,
                            CollectiveKind::scatter, CollectiveKind::all_to_all}) {
      const auto a = bound(near, make_collective(kind, near.ranks()));
      const auto b = bound(far, make_collective(kind, far.ranks()));
      ASSERT_TRUE(a && b);
      EXPECT_NEAR(a->inverse_rate.value() / b->inverse_rate.value(), 1, 2e-8) << seed << " " << to_string(kind);
      EXPECT_EQ(a->attained, b->attained) << seed << " " << to_string(kind);
    }
  }
}

}  // namespace
}  // namespace p2plab::far_apart_test
