// SPDX-License-Identifier: Apache-2.0
// Symmetries of machines whose groups are known.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <tuple>

#include "p2plab/detail/symmetry.h"
#include "p2plab/machine/presets.h"
#include "support/machines.h"

namespace p2plab::symmetry_test {
namespace {

// Every link leads from the image of its start to the image of its end, with the same bandwidth.
void expect_automorphism(const Topology& machine, const Automorphism& mapping) {
  for (std::size_t l = 0; l < machine.links().size(); ++l) {
    const auto& link = machine.links()[l];
    const auto& image = machine.links()[static_cast<std::size_t>(mapping.links[l])];
    EXPECT_EQ(image.from.value, mapping.nodes[link.from.index()]);
    EXPECT_EQ(image.to.value, mapping.nodes[link.to.index()]);
    EXPECT_EQ(image.bandwidth, link.bandwidth);
  }
}

// The images of the first GPU under all elements.
std::size_t images_of_the_first_gpu(const Topology& machine, const std::vector<Automorphism>& group) {
  std::set<std::int32_t> images;
  for (const auto& element : group) images.insert(element.nodes[machine.node_of(Rank{0}).index()]);
  return images.size();
}

TEST(Symmetry, MachinesOfEqualGpusHaveOneElementForEachGpu) {
  const std::vector<Topology> machines{test::one_switch(8), *make_preset("torus", {{"dims", "4x4"}}), *make_preset("ring", {{"gpus", "7"}}),
                                       *make_preset("hypercube", {{"dimensions", "4"}}), *make_preset("dgx-a100", {{"nodes", "3"}})};
  for (const auto& machine : machines) {
    const auto group = symmetry_group(machine);
    EXPECT_EQ(group.size(), static_cast<std::size_t>(machine.ranks())) << machine.name();
    EXPECT_EQ(images_of_the_first_gpu(machine, group), group.size()) << machine.name();
    for (const auto& element : group) expect_automorphism(machine, element);
  }
}

// As a group of them does, without its elements.
TEST(Symmetry, GeneratorsJoinTheGpusOfAnOrbit) {
  for (const auto& [name, parameters, kinds] :
       {std::tuple{std::string{"torus"}, Parameters{{"dims", "4x6"}}, 1}, {"dgx-a100", {{"nodes", "3"}}, 1}, {"mesh", {{"dims", "3x3"}}, 3}}) {
    const auto machine = *make_preset(name, parameters);
    std::vector<const std::vector<std::int32_t>*> images;
    const auto generators = machine.symmetries();
    for (const auto& generator : generators) {
      expect_automorphism(machine, generator);
      images.push_back(&generator.nodes);
    }
    const auto orbit = orbits(machine.nodes().size(), images);
    std::set<int> of_gpus;
    for (int r = 0; r < machine.ranks(); ++r) of_gpus.insert(orbit[machine.node_of(Rank{r}).index()]);
    EXPECT_EQ(of_gpus.size(), static_cast<std::size_t>(kinds)) << machine.name();
  }
}

TEST(Symmetry, MarkedGpusOnlyChangePlacesWithTheirLike) {
  const auto machine = test::one_switch(5);
  const std::vector<std::int64_t> marks{1, 1, 2, 2, 2, 0};
  for (const auto& element : symmetry_group(machine, marks)) {
    EXPECT_LT(element.nodes[0], 2);
    EXPECT_GE(element.nodes[2], 2);
  }
}

TEST(Symmetry, ALineHasOnlyItsReflection) {
  const auto machine = test::line(5);
  const auto generators = automorphism_generators(machine);
  ASSERT_EQ(generators.size(), 1U);
  for (int v = 0; v < 5; ++v) EXPECT_EQ(generators[0].nodes[static_cast<std::size_t>(v)], 4 - v);
}

TEST(Symmetry, OneWiderLinkLeavesNone) {
  auto builder = test::with_gpus("uneven", 4);
  for (int g = 0; g < 4; ++g) builder.add_link({NodeId{g}, NodeId{(g + 1) % 4}, LinkKind::nvlink, GBps(g == 0 ? 50 : 25), Seconds{1e-6}});
  const auto machine = test::built(std::move(builder));
  EXPECT_TRUE(automorphism_generators(machine).empty());
  EXPECT_EQ(symmetry_group(machine).size(), 1U);
}

// Generators of all permutations of five GPUs on a switch join every pair of GPUs.
TEST(Symmetry, GeneratorsReachEverySubsetOfASwitch) {
  const auto machine = test::one_switch(5);
  std::set<std::set<int>> seen{{0, 1}};
  std::vector<std::set<int>> open{{0, 1}};
  const auto generators = automorphism_generators(machine);
  while (!open.empty()) {
    const auto at = open.back();
    open.pop_back();
    for (const auto& generator : generators) {
      std::set<int> image;
      for (const auto v : at) image.insert(generator.nodes[static_cast<std::size_t>(v)]);
      if (seen.insert(image).second) open.push_back(image);
    }
  }
  EXPECT_EQ(seen.size(), 10U);
}

TEST(Symmetry, BudgetsMustMatchToo) {
  auto builder = test::with_gpus("bus", 2);
  const auto there = builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_link({NodeId{1}, NodeId{0}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_group({"one-way", GBps(5), {there}});
  EXPECT_TRUE(automorphism_generators(test::built(std::move(builder))).empty());
}

// Each GPU's ways to the next two share a budget, but for the last two GPUs. Nothing but budgets tells them apart.
TEST(Symmetry, IsSoonKnownToBeMissingWhereBudgetsBreakIt) {
  constexpr int gpus = 72;
  auto builder = test::with_gpus("mesh", gpus);
  for (int from = 0; from < gpus; ++from) {
    std::vector<LinkId> next;
    for (int to = 0; to < gpus; ++to) {
      if (to == from) continue;
      const auto link = builder.add_link({NodeId{from}, NodeId{to}, LinkKind::nvlink, GBps(50), Seconds{1e-6}});
      if (to == from + 1 || to == from + 2) next.push_back(link);
    }
    if (next.size() == 2) builder.add_group({"out" + std::to_string(from), GBps(60), next});
  }
  const auto started = std::chrono::steady_clock::now();
  const auto built = test::built(std::move(builder));
  EXPECT_TRUE(built.symmetries().empty());
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds{2});
}

TEST(Symmetry, KeepsPairsThatShareABudgetTogether) {
  constexpr int gpus = 12;
  auto builder = test::with_gpus("pairs", gpus);
  const auto middle = builder.add_node({.name = "switch", .kind = NodeKind::nvswitch});
  std::vector<LinkId> out;
  for (int g = 0; g < gpus; ++g) {
    out.push_back(builder.add_link({NodeId{g}, middle, LinkKind::nvlink, GBps(50), Seconds{1e-6}}));
    builder.add_link({middle, NodeId{g}, LinkKind::nvlink, GBps(50), Seconds{1e-6}});
  }
  for (std::size_t g = 0; g + 6 < out.size(); ++g) builder.add_group({"pair" + std::to_string(g), GBps(60), {out[g], out[g + 6]}});
  const auto machine = test::built(std::move(builder));
  std::vector<const std::vector<std::int32_t>*> images;
  const auto generators = machine.symmetries();
  for (const auto& generator : generators) {
    images.push_back(&generator.nodes);
    for (std::size_t g = 0; g + 6 < out.size(); ++g) EXPECT_EQ(std::abs(generator.nodes[g] - generator.nodes[g + 6]), 6);
  }
  const auto orbit = orbits(machine.nodes().size(), images);
  for (int g = 0; g < gpus; ++g) EXPECT_EQ(orbit[static_cast<std::size_t>(g)], 0) << g;
}

}  // namespace
}  // namespace p2plab::symmetry_test
