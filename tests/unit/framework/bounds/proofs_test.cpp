// SPDX-License-Identifier: Apache-2.0
// Proofs of bounds, evaluated a second time: what trees cost, what prices prove, and that each bound has a proof.
#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "bounds/proofs/by_partition.h"
#include "bounds/proofs/by_prices.h"
#include "bounds/proofs/evaluated_again.h"
#include "bounds/proofs/prices.h"
#include "bounds/proofs/tree_cost.h"
#include "p2plab/bounds/bounds.h"
#include "support/random_topology.h"
#include "support/reference.h"

namespace p2plab::proofs_test {
namespace {

using bounds::no_arc;

std::vector<std::int64_t> random_costs(std::size_t n, std::mt19937& random) {
  std::vector<std::int64_t> costs(n * n, no_arc);
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) {
      if (u != v && random() % 4 != 0) costs[u * n + v] = static_cast<std::int64_t>(random() % 9);
    }
  }
  return costs;
}

// Of all choices of a way into each of the vertices `in` (the root, 0, has none) those that are trees, by trying every one.
std::int64_t cheapest_by_trying(std::size_t n, std::size_t in, const std::vector<std::int64_t>& costs) {
  std::vector<std::size_t> parent(n);
  auto best = no_arc;
  const auto is_tree = [&] {
    for (std::size_t v = 1; v < n; ++v) {
      auto at = v;
      for (std::size_t step = 0; (in >> v & 1) != 0 && at != 0; ++step, at = parent[at]) {
        if (step > n) return false;
      }
    }
    return true;
  };
  const auto choose = [&](auto&& self, std::size_t v, std::int64_t sum) -> void {
    if (v == n) {
      if (sum < best && is_tree()) best = sum;
      return;
    }
    if ((in >> v & 1) == 0) return self(self, v + 1, sum);
    for (std::size_t u = 0; u < n; ++u) {
      if (costs[u * n + v] == no_arc || (u != 0 && (in >> u & 1) == 0)) continue;
      parent[v] = u;
      self(self, v + 1, sum + costs[u * n + v]);
    }
  };
  choose(choose, 1, 0);
  return best;
}

TEST(TreeCost, OfSpanningTreesIsThatOfTheCheapestOfAll) {
  std::mt19937 random{5};
  int reached = 0;
  for (int i = 0; i < 200; ++i) {
    const std::size_t n = 2 + random() % 4;
    const auto costs = random_costs(n, random);
    std::vector<std::size_t> all;
    for (std::size_t v = 1; v < n; ++v) all.push_back(v);
    const auto cost = bounds::least_tree_cost(n, 0, all, costs);
    EXPECT_EQ(cost.value_or(no_arc), cheapest_by_trying(n, (std::size_t{1} << n) - 2, costs)) << i;
    reached += cost ? 1 : 0;
  }
  EXPECT_GT(reached, 100);
}

TEST(TreeCost, WhereSomeNeedNotBeReachedIsNeverAboveTheCheapest) {
  std::mt19937 random{6};
  int equal = 0;
  for (int i = 0; i < 200; ++i) {
    const std::size_t n = 5;
    const auto costs = random_costs(n, random);
    const std::vector<std::size_t> terminals{1, 2};
    auto least = no_arc;
    for (std::size_t more = 0; more < 4; ++more) least = std::min(least, cheapest_by_trying(n, 0b00110 | more << 3, costs));
    const auto cost = bounds::least_tree_cost(n, 0, terminals, costs).value_or(no_arc);
    EXPECT_LE(cost, least) << i;
    equal += cost == least ? 1 : 0;
  }
  EXPECT_GT(equal, 180);
}

// GPUs around a switch that passes 2 GB/s in all: the limit has the only price, 1, and three flows of all-to-all cross it for each byte of a GPU.
TEST(Prices, OfASharedBudgetAreThatOfTheBudgetAlone) {
  Topology::Builder builder("budget");
  std::vector<LinkId> links;
  const auto center = builder.add_node({.name = "switch", .kind = NodeKind::network_switch});
  for (int r = 0; r < 4; ++r) {
    const auto gpu = builder.add_node({.name = "gpu" + std::to_string(r)});
    links.push_back(builder.add_link({gpu, center, LinkKind::other, GBps(10), {}}));
    builder.add_link({center, gpu, LinkKind::other, GBps(10), {}});
  }
  builder.add_group({.name = "uplink", .bandwidth = GBps(2), .links = links});
  const auto machine = *std::move(builder).build();
  const auto best = bound(machine, make_collective(CollectiveKind::all_to_all, 4));
  ASSERT_TRUE(best);
  EXPECT_EQ(best->inverse_rate, reduced(12, 2));
  ASSERT_EQ(best->prices.size(), machine.limits().size());
  for (std::size_t i = 0; i < best->prices.size(); ++i)
    EXPECT_EQ(best->prices[i], machine.limits()[i].kind == MachineLimit::Kind::group ? 1 : 0) << machine.name_of(machine.limits()[i]);
  EXPECT_NE(best->argument.find("all there is costs 2, and what carries one at least 12: 1 for group uplink"), std::string::npos) << best->argument;
}

// Whatever the prices, the cheapest ways at them prove a bound; the least ways by Floyd and Warshall, here, in plain doubles.
TEST(Prices, OfAllToAllProveTheBoundByTheCheapestWaysToo) {
  int by_prices = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    const auto machine = test::RandomTopology{seed}.make();
    const auto best = bound(machine, make_collective(CollectiveKind::all_to_all, machine.ranks()));
    if (!best || best->prices.empty()) continue;
    ++by_prices;
    const auto n = machine.nodes().size();
    std::vector<double> ways(n * n, 1e300);
    const auto of_links = bounds::prices_of_links(machine, best->prices);
    for (std::size_t v = 0; v < n; ++v) ways[v * n + v] = 0;
    for (std::size_t l = 0; l < of_links.size(); ++l) {
      auto& way = ways[machine.links()[l].from.index() * n + machine.links()[l].to.index()];
      way = std::min(way, static_cast<double>(of_links[l]));
    }
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t u = 0; u < n; ++u) {
        for (std::size_t v = 0; v < n; ++v) ways[u * n + v] = std::min(ways[u * n + v], ways[u * n + k] + ways[k * n + v]);
      }
    }
    double cost = 0;
    for (int a = 0; a < machine.ranks(); ++a) {
      for (int b = 0; b < machine.ranks(); ++b) cost += ways[machine.node_of(Rank{a}).index() * n + machine.node_of(Rank{b}).index()];
    }
    double worth = 0;
    for (std::size_t i = 0; i < best->prices.size(); ++i)
      worth += static_cast<double>(best->prices[i]) * static_cast<double>(machine.limits()[i].bandwidth.bytes_per_second()) / 1e9;
    EXPECT_NEAR(cost / worth / best->inverse_rate.value(), 1, 2e-8) << seed << ' ' << best->argument;
  }
  EXPECT_GT(by_prices, 5);
}

TEST(Prices, ThatAreNoMultiplesOfOneAreKeptToTwelveDigits) {
  const double unlike[] = {1, 0.71828183, 0.57721566, 0.69314718};
  EXPECT_EQ(bounds::small_prices(unlike), bounds::Prices{});
  const double odd[] = {1, 0.123456789, 0};
  EXPECT_EQ(bounds::fine_prices(odd), (bounds::Prices{1099511627776, 135742175033, 0}));
  const double even[] = {0.5, 0.75, 0};
  EXPECT_EQ(bounds::small_prices(even), (bounds::Prices{2, 3, 0}));
}

// Two boxes of eight: each node by itself is a part; 15 payloads enter the GPUs twice, over 12 lanes of 25 GB/s each and 16 NICs' 25. As two parts
// they are entered once by each half, over the NICs alone. All in one part prove nothing.
TEST(Partitions, AreCountedByWhatEntersPartsWithGpus) {
  const auto machine = test::machine("dgx-a100:nodes=2");
  std::vector<int> each(machine.nodes().size());
  std::iota(each.begin(), each.end(), 0);
  EXPECT_EQ(bounds::proved_by_partition(machine, each, {}), reduced(2 * 15, 16 * 12 * 25 + 16 * 25));
  const auto network = machine.find_node("net0");
  ASSERT_TRUE(network);
  std::vector<int> boxes;
  int box = -1;  // the network is a part without GPUs; each box begins with its GPUs
  for (const auto& node : machine.nodes()) {
    if (node.name == "gpu0" || node.name == "gpu8") ++box;
    boxes.push_back(box);
  }
  EXPECT_EQ(bounds::proved_by_partition(machine, boxes, {}), reduced(2, 2 * 8 * 25));
  EXPECT_EQ(bounds::proved_by_partition(machine, std::vector<int>(each.size()), {}), Rational{});
  EXPECT_EQ(bounds::proved_by_partition(machine, each, std::vector{*network}), Rational{});
}

// A bound that claims twice what its cut, or its partition, proves is a fault of ours, and is not given.
TEST(Proofs, ThatProveLessThanIsClaimedAreRefused) {
  const auto machine = test::machine("dgx-v100");
  for (const auto& [kind, by] : {std::pair{CollectiveKind::all_gather, "the cut {"}, {CollectiveKind::all_reduce, "the partition proves"}}) {
    const auto collective = make_collective(kind, machine.ranks());
    const auto blocks = *contract(collective, machine.ranks());
    auto claim = *bound(machine, collective);
    EXPECT_TRUE(bounds::evaluated_again(claim, machine, blocks, {})) << by;
    claim.inverse_rate = reduced(static_cast<Int128>(claim.inverse_rate.numerator) * 2, claim.inverse_rate.denominator);
    const auto refused = bounds::evaluated_again(claim, machine, blocks, {});
    ASSERT_FALSE(refused) << by;
    EXPECT_NE(refused.error().message.find(std::string{"a fault of p2plab: "} + by), std::string::npos) << refused.error().message;
  }
}

// Whatever the prices, they prove no rate below what is known to be reached; with no trees that need not reach all, by the trees' prices too.
TEST(Prices, OfTreesProveNoMoreThanIsTrueAtAnyPrices) {
  std::mt19937 random{7};
  for (const auto* name : {"dgx-v100", "mi250x", "hgx-h200:gpus=5", "torus:dims=3x3"}) {
    const auto machine = test::machine(name);
    const auto best = *bound(machine, make_collective(CollectiveKind::all_reduce, machine.ranks()));
    TreeDemand demand;
    for (int r = 0; r < machine.ranks(); ++r) demand.receivers.push_back(machine.node_of(Rank{r}).value);
    demand.senders = demand.receivers;
    for (int i = 0; i < 5; ++i) {
      bounds::Prices prices(machine.limits().size());
      for (auto& price : prices) price = i == 0 ? 1 : static_cast<std::int64_t>(random() % 5);
      const auto proved = bounds::proved_by_prices(machine, demand, prices);
      if (!proved) continue;
      EXPECT_LE(proved->inverse().value(), best.inverse_rate.value() * (1 + 1e-9)) << name << ' ' << i;
    }
    EXPECT_TRUE(bounds::proved_by_prices(machine, demand, bounds::Prices(machine.limits().size(), 1))) << name;
  }
}

TEST(Proofs, StandBesideEveryBound) {
  for (const auto* name : {"dgx-v100", "hgx-h200:gpus=7", "mi250x", "pcie-server", "dgx-a100:nodes=2", "torus:dims=3x3"}) {
    const auto machine = test::machine(name);
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast, CollectiveKind::gather,
                            CollectiveKind::all_to_all, CollectiveKind::send_receive}) {
      const auto best = bound(machine, make_collective(kind, machine.ranks()));
      ASSERT_TRUE(best) << name;
      const int proofs = (best->cut.empty() ? 0 : 1) + (best->part.empty() ? 0 : 1) + (best->prices.empty() ? 0 : 1);
      EXPECT_EQ(proofs, 1) << name << ' ' << to_string(kind) << ' ' << best->argument;
    }
  }
}

}  // namespace
}  // namespace p2plab::proofs_test
