// SPDX-License-Identifier: Apache-2.0
// On machines large enough that paths of one sender are carried to others: all are those that are found for each sender alone.
#include <algorithm>

#include <gtest/gtest.h>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/routes.h"
#include "paths/nearest_paths.h"
#include "support/reference.h"

namespace p2plab::routes_by_symmetry_test {
namespace {

using test::machine;

void expect_found_alone(const Topology& topology) {
  const auto& routes = topology.routes();
  NearestPaths alone(topology);
  // From the last to the first: a sender is asked for before those that it comes of.
  for (int a = topology.ranks() - 1; a >= 0; --a) {
    const auto gpu = topology.node_of(Rank{a});
    const auto host = alone.host_of(gpu).first;
    ASSERT_EQ(routes.host_of(Rank{a}), host) << topology.name() << ' ' << a;
    alone.start(gpu);
    for (int b = 0; b < topology.ranks(); ++b) {
      ASSERT_TRUE(std::ranges::equal(routes.between(Rank{a}, Rank{b}), alone.path_to(topology.node_of(Rank{b})))) << topology.name() << a << ' ' << b;
      const auto owner = routes.host_of(Rank{b});
      const auto to_host = owner ? alone.path_to(*owner) : std::vector<LinkId>{};
      ASSERT_TRUE(std::ranges::equal(routes.to_host(Rank{a}, Rank{b}), to_host)) << topology.name() << a << ' ' << b;
    }
    if (!host) continue;
    alone.start(*host);
    for (int b = 0; b < topology.ranks(); ++b)
      ASSERT_TRUE(std::ranges::equal(routes.from_host(Rank{a}, Rank{b}), alone.path_to(topology.node_of(Rank{b}))))
          << topology.name() << a << ' ' << b;
  }
}

TEST(RoutesBySymmetry, AreThoseOfEachSenderAlone) {
  for (const std::string text :
       {"hgx-a100:nodes=9", "hgx-a100:nodes=8,pcie=on", "hgx-h100:nodes=8,network=rail", "hgx-h100:nodes=8,network=tree,taper=2", "torus:dims=8x9",
        "fat-tree:leaves=8,gpus=8,spines=4", "ring:gpus=65", "star:gpus=64", "dragonfly:a=4,h=2,p=2"})
    expect_found_alone(machine(text));
}

// Then not every sender has a like.
TEST(RoutesBySymmetry, HoldWhereServersDiffer) {
  const auto whole = machine("hgx-a100:nodes=9");
  const std::vector<Mask> masks{
      {.links = {}, .gpus = {"gpu5"}}, {.links = {{.from = "nic3", .to = "net0"}}}, {.links = {{.from = "nic3", .to = "net0", .fraction = 0.5}}}};
  for (const auto& mask : masks) {
    const auto rest = apply_mask(whole, mask);
    ASSERT_TRUE(rest) << describe(rest.error());
    expect_found_alone(*rest);
  }
}

}  // namespace
}  // namespace p2plab::routes_by_symmetry_test
