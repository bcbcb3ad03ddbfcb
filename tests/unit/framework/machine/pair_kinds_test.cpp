// SPDX-License-Identifier: Apache-2.0
// What is said once of a kind of paths holds for each pair of that kind.
#include <map>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/peer_access.h"
#include "support/reference.h"

namespace p2plab::pair_kinds_test {
namespace {

using test::machine;
using Likeness = std::vector<std::tuple<LinkKind, std::int64_t, double, NodeKind, bool>>;

Likeness likeness_of(const Topology& topology, const ParallelLinks& parallel, std::span<const LinkId> path) {
  Likeness likeness;
  for (const auto id : path) {
    const auto& link = topology.link(id);
    const auto& end = topology.node(link.to);
    likeness.emplace_back(link.kind, parallel.together(id).bytes_per_second(), link.latency.count(), end.kind, end.forwards_peers);
  }
  return likeness;
}

// Pairs are of one kind if and only if their paths are alike.
void expect_right(const Topology& topology) {
  SCOPED_TRACE(topology.name());
  const auto& routes = topology.routes();
  const auto& kinds = routes.kinds();
  const ParallelLinks parallel(topology);
  std::map<Likeness, std::uint32_t> known{{{}, PairKinds::no_path}};
  bool all = true;
  for (int a = 0; a < topology.ranks(); ++a) {
    std::int64_t end = 0;
    for (const auto& stretch : kinds.from(Rank{a})) {
      EXPECT_EQ(stretch.begin, end);
      for (end = stretch.begin; end < stretch.end; ++end) EXPECT_EQ(kinds.of(Rank{a}, Rank{end}), stretch.kind);
    }
    EXPECT_EQ(end, topology.ranks());
    for (int b = 0; b < topology.ranks(); ++b) {
      const auto kind = kinds.of(Rank{a}, Rank{b});
      ASSERT_EQ(known.try_emplace(likeness_of(topology, parallel, routes.between(Rank{a}, Rank{b})), kind).first->second, kind) << a << ' ' << b;
      EXPECT_EQ(routes.connected(Rank{a}, Rank{b}), a == b || kind != PairKinds::no_path);
      all = all && routes.connected(Rank{a}, Rank{b});
    }
  }
  EXPECT_EQ(known.size(), kinds.count());
  EXPECT_EQ(kinds.all_connected(), all);
  const auto links = kinds.each(std::size_t{0}, [&](Rank from, Rank to) { return routes.between(from, to).size(); });
  for (int b = 0; b < topology.ranks(); ++b) EXPECT_EQ(links[kinds.of(Rank{0}, Rank{b})], routes.between(Rank{0}, Rank{b}).size());
}

TEST(PairKinds, AreThoseOfAlikePaths) {
  for (const std::string text : {"dgx-v100", "dgx-p100:pcie=on", "pcie-server", "mi250x", "hgx-h100:nodes=3,network=rail", "hgx-a100:nodes=9",
                                 "hgx-h100:nodes=8,network=tree,taper=2", "fat-tree:leaves=8,gpus=8,spines=4", "torus:dims=8x8"})
    expect_right(machine(text));
  const auto rest = apply_mask(machine("hgx-a100:nodes=9"), {.links = {{.from = "nic3", .to = "net0", .fraction = 0.5}}, .gpus = {"gpu5"}});
  ASSERT_TRUE(rest) << describe(rest.error());
  expect_right(*rest);
}

}  // namespace
}  // namespace p2plab::pair_kinds_test
