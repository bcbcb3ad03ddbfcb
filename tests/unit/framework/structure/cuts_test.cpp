// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/cuts.h"

#include <array>
#include <fstream>
#include <numeric>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "support/random_topology.h"
#include "support/reference.h"

namespace p2plab::cuts_test {
namespace {

using test::machine;

// GPUs inside over GB/s out, in lowest terms: the inverse rate of an all-gather in the units of the literature.
std::string inverse_rate(const Topology& topology) {
  const auto cut = bottleneck_cut(topology);
  constexpr std::int64_t giga = 1'000'000'000;
  const auto inside = static_cast<std::int64_t>(cut->inside.size()) * giga;
  const auto capacity = cut->capacity.bytes_per_second();
  const auto common = std::gcd(inside, capacity);
  return capacity == common ? std::to_string(inside / common) : std::to_string(inside / common) + "/" + std::to_string(capacity / common);
}

TEST(Cuts, TheBottleneckOfAnNvswitchBoxIsThePortOfOneGpu) {
  const auto server = machine("hgx-h200");
  const auto cut = bottleneck_cut(server);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->inside.size(), 7U);
  EXPECT_EQ(cut->outside.size(), 1U);
  EXPECT_EQ(cut->capacity, GBps(450));
  EXPECT_EQ(cut->links.size(), 1U);
}

TEST(Cuts, KnownMachinesHaveTheirInverseRates) {
  EXPECT_EQ(inverse_rate(machine("dgx-v100")), "7/150");
  EXPECT_EQ(inverse_rate(machine("dgx-p100")), "7/80");
  EXPECT_EQ(inverse_rate(machine("dgx-v100:gpus=5")), "2/25");
  EXPECT_EQ(inverse_rate(machine("mi250x")), "7/150");
  EXPECT_EQ(inverse_rate(machine("pcie-server:gen=3,upi=18")), "7/12");
  EXPECT_EQ(inverse_rate(machine("ring:bandwidth=1,directions=one")), "7");
}

TEST(Cuts, EveryReferenceGraphHasItsPublishedInverseRate) {
  const auto folder = test::reference_folder();
  if (!folder) GTEST_SKIP() << "no reference graphs beside the project; set P2PLAB_REFERENCE to their folder";
  std::ostringstream index;
  index << std::ifstream(*folder / "optima" / "index.json").rdbuf();
  const auto text = index.str();
  const std::regex row(R"xx("name": "(\w+)",\s*"gpus": \d+,\s*"all_gather_inverse_rate": "([0-9/]+)")xx");
  int seen = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), row), end; match != end; ++match, ++seen) {
    const auto graph = test::reference_graph(*folder, (*match)[1]);
    ASSERT_TRUE(graph) << (*match)[1];
    EXPECT_EQ(inverse_rate(*graph), (*match)[2]) << (*match)[1];
  }
  EXPECT_GE(seen, 20);
}

TEST(Cuts, TheLinksOfACutAddUpToItsCapacity) {
  for (const std::string text : {"dgx-v100", "mesh", "hgx-a100:nodes=2", "fat-tree:uplink=10", "dragonfly", "pcie-server"}) {
    const auto server = machine(text);
    const auto cut = bottleneck_cut(server);
    Bandwidth sum;
    for (const auto link : cut->links) sum += server.link(link).bandwidth;
    EXPECT_EQ(sum, cut->capacity) << text;
    EXPECT_EQ(static_cast<int>(cut->inside.size() + cut->outside.size()), server.ranks()) << text;
  }
}

TEST(Cuts, TwoBoxesAreCutBetweenThem) {
  // Out of a server of 8: 8 NICs of 25; 8/200 GPUs per GB/s beats 15/325 into one GPU only if smaller: 0.04 against 0.046.
  EXPECT_EQ(inverse_rate(machine("dgx-a100:nodes=2")), "3/65");
  const auto narrow = machine("dgx-a100:nodes=2,nics=2");
  const auto cut = bottleneck_cut(narrow);
  EXPECT_EQ(cut->capacity, GBps(50));
  EXPECT_EQ(cut->inside.size(), 8U);
}

TEST(Cuts, AnUnreachableGpuMakesACutOfNothing) {
  Topology::Builder builder("apart");
  const auto a = builder.add_node({"a", NodeKind::gpu});
  const auto b = builder.add_node({"b", NodeKind::gpu});
  builder.add_link({a, b, LinkKind::pcie, GBps(1), Seconds{0}});
  const auto apart = std::move(builder).build();
  ASSERT_TRUE(apart);
  const auto cut = bottleneck_cut(*apart);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->capacity, Bandwidth{});
  EXPECT_EQ(cut->inside, std::vector{Rank{1}});
  EXPECT_EQ(unconnected_pairs(*apart), (std::vector{std::pair{Rank{1}, Rank{0}}}));
  EXPECT_FALSE(bottleneck_cut(machine("full-mesh:gpus=1")));
}

TEST(Cuts, NodeLimitsNarrowACut) {
  Topology::Builder builder("limited");
  const auto hub = builder.add_node({"hub", NodeKind::nvswitch, std::nullopt, GBps(30)});
  std::array<NodeId, 4> gpus;
  for (int i = 0; i < 4; ++i) {
    gpus[static_cast<std::size_t>(i)] = builder.add_node({"g" + std::to_string(i), NodeKind::gpu, GBps(20)});
    builder.add_duplex(gpus[static_cast<std::size_t>(i)], hub, LinkKind::nvlink, GBps(25), Seconds{0});
  }
  const auto limited = std::move(builder).build();
  ASSERT_TRUE(limited);
  EXPECT_EQ(degrees(*limited)[0].in, GBps(20));
  EXPECT_EQ(degrees(*limited)[0].out, GBps(25));
  const std::array from{Rank{0}, Rank{1}};
  const std::array to{Rank{2}, Rank{3}};
  EXPECT_EQ(capacity_between(*limited, from, to), GBps(30));
  // Into one GPU 3/20 = 0.15; through the hub at most one copy a receiver, so nothing narrower: 4 GPUs need 12 copies only without relaying.
  EXPECT_EQ(inverse_rate(*limited), "3/20");
}

TEST(Cuts, GroupsBoundADegree) {
  Topology::Builder builder("bus");
  const auto a = builder.add_node({"a", NodeKind::gpu});
  const auto b = builder.add_node({"b", NodeKind::gpu});
  const auto c = builder.add_node({"c", NodeKind::gpu});
  const auto ab = builder.add_link({a, b, LinkKind::pcie, GBps(10), Seconds{0}});
  const auto ac = builder.add_link({a, c, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_group({"root", GBps(12), {ab, ac}});
  const auto bus = std::move(builder).build();
  ASSERT_TRUE(bus);
  EXPECT_EQ(degrees(*bus)[0].out, GBps(12));
  EXPECT_EQ(degrees(*bus)[1].in, GBps(10));
}

// The same machine without limits and groups, whose cuts can be counted by adding up links.
Topology plain(const Topology& topology) {
  Topology::Builder builder("plain");
  for (const auto& node : topology.nodes()) builder.add_node({node.name, node.kind});
  for (const auto& link : topology.links()) builder.add_link(link);
  auto made = std::move(builder).build();
  expects(static_cast<bool>(made));
  return *std::move(made);
}

// The most GPUs per bandwidth over all sets of nodes, as (inside, capacity).
std::pair<std::int64_t, std::int64_t> worst_of_all_sets(const Topology& topology) {
  std::pair<std::int64_t, std::int64_t> worst{0, 1};
  const auto nodes = topology.nodes().size();
  for (std::uint32_t set = 1; set < (1U << nodes); ++set) {
    const auto in = [&](NodeId node) { return (set >> node.index() & 1U) != 0; };
    std::int64_t inside = 0;
    for (std::int64_t r = 0; r < topology.ranks(); ++r) inside += in(topology.node_of(Rank{r})) ? 1 : 0;
    if (inside == 0 || inside == topology.ranks()) continue;
    std::int64_t capacity = 0;
    for (const auto& link : topology.links()) capacity += in(link.from) && !in(link.to) ? link.bandwidth.bytes_per_second() : 0;
    if (capacity == 0) return {inside, 0};
    if (inside * worst.second > worst.first * capacity) worst = {inside, capacity};
  }
  return worst;
}

TEST(Cuts, NoSetOfNodesOfARandomMachineIsWorseThanTheBottleneck) {
  int tried = 0;
  for (std::uint64_t seed = 1; tried < 150; ++seed) {
    const auto server = plain(test::RandomTopology{seed}.make());
    if (server.nodes().size() > 11) continue;
    ++tried;
    const auto cut = bottleneck_cut(server);
    ASSERT_TRUE(cut);
    const auto [inside, capacity] = worst_of_all_sets(server);
    if (capacity == 0) {
      EXPECT_EQ(cut->capacity, Bandwidth{}) << "seed " << seed;
      continue;
    }
    const auto found = static_cast<std::int64_t>(cut->inside.size());
    EXPECT_EQ(found * capacity, inside * cut->capacity.bytes_per_second()) << "seed " << seed;
  }
}

std::pair<std::vector<Rank>, std::vector<Rank>> halves_of(int ranks) {
  std::pair<std::vector<Rank>, std::vector<Rank>> halves;
  for (int r = 0; r < ranks; ++r) (r < ranks / 2 ? halves.first : halves.second).emplace_back(r);
  return halves;
}

TEST(Cuts, CapacityBetweenHalvesOfAMeshIsItsBisection) {
  const auto mesh = machine("mesh:dims=4x4,bandwidth=1");
  const auto [lower, upper] = halves_of(16);
  EXPECT_EQ(capacity_between(mesh, lower, upper), GBps(4));
}

// 64 links of 10 PB/s cross. What all 16 GPUs could send together times eight is more than 64 bits hold.
TEST(Cuts, AreRightWhereLinksAreAsWideAsTheyCanBe) {
  const auto mesh = machine("full-mesh:gpus=16,bandwidth=10000000");
  const auto [lower, upper] = halves_of(16);
  EXPECT_EQ(capacity_between(mesh, lower, upper), GBps(64e7));
  EXPECT_EQ(bottleneck_cut(mesh)->capacity, GBps(15e7));
}

// 462 links of 10 PB/s: one more than 2^62 bytes per second allow.
TEST(Cuts, MachinesWhoseLinksCannotBeAddedUpAreRefused) {
  for (const int links : {461, 462}) {
    Topology::Builder builder("wide");
    const auto a = builder.add_node({"a", NodeKind::gpu});
    const auto b = builder.add_node({"b", NodeKind::gpu});
    for (int l = 0; l < links; ++l) builder.add_link({a, b, LinkKind::nvlink, GBps(1e7), Seconds{0}});
    const auto built = std::move(builder).build();
    EXPECT_EQ(static_cast<bool>(built), links == 461);
    if (built) continue;
    EXPECT_NE(built.error().message.find("together, which is the most that can be counted"), std::string::npos);
  }
}

TEST(Cuts, AsymmetryNamesTheWiderDirection) {
  Topology::Builder builder("skewed");
  const auto a = builder.add_node({"a", NodeKind::gpu});
  const auto b = builder.add_node({"b", NodeKind::gpu});
  builder.add_link({a, b, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_link({b, a, LinkKind::pcie, GBps(8), Seconds{0}});
  builder.add_link({b, a, LinkKind::pcie, GBps(8), Seconds{0}});
  const auto skewed = std::move(builder).build();
  ASSERT_TRUE(skewed);
  const auto found = asymmetries(*skewed);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].from, b);
  EXPECT_EQ(found[0].forward, GBps(16));
  EXPECT_EQ(found[0].backward, GBps(10));
}

}  // namespace
}  // namespace p2plab::cuts_test
