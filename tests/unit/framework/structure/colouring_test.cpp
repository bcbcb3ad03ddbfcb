// SPDX-License-Identifier: Apache-2.0
// Classes of vertices: what counts of neighbours tell apart, refined step by step and taken back.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "paths/colouring.h"

namespace p2plab::colouring_test {
namespace {

void join(LabelledGraph& graph, int a, int b) {
  graph.arcs[static_cast<std::size_t>(a)].push_back({b, 1});
  graph.arcs[static_cast<std::size_t>(b)].push_back({a, 1});
}

LabelledGraph circle(int n) {
  LabelledGraph graph{std::vector<std::vector<LabelledGraph::Arc>>(static_cast<std::size_t>(n))};
  for (int v = 0; v < n; ++v) join(graph, v, (v + 1) % n);
  return graph;
}

std::size_t count(const Colouring& colouring) { return std::set<int>(colouring.classes().begin(), colouring.classes().end()).size(); }

// A line of five: its ends, what is beside them, the middle.
TEST(Colouring, TellsApartWhatCountsOfNeighboursTellApart) {
  LabelledGraph line{std::vector<std::vector<LabelledGraph::Arc>>(5)};
  for (int v = 0; v < 4; ++v) join(line, v, v + 1);
  Colouring colouring(line, std::vector<std::uint64_t>(5, 7));
  EXPECT_EQ(count(colouring), 1U);
  colouring.refine();
  EXPECT_EQ(count(colouring), 3U);
  EXPECT_EQ(colouring.class_of(0), colouring.class_of(4));
  EXPECT_EQ(colouring.class_of(1), colouring.class_of(3));
  EXPECT_TRUE(colouring.is_alone(2));
}

// One vertex of a circle of eight: the others stand one, two, three places away on either side, or opposite.
TEST(Colouring, GoesOnFromWhereItStandsAndBack) {
  const auto graph = circle(8);
  Colouring colouring(graph, std::vector<std::uint64_t>(8, 0));
  colouring.refine();
  const auto before = colouring.classes();
  const auto state = colouring.state();
  colouring.single_out(3);
  EXPECT_GT(colouring.refine(), 0);
  EXPECT_EQ(count(colouring), 5U);
  EXPECT_EQ(colouring.class_of(2), colouring.class_of(4));
  const auto further = colouring.state();
  colouring.single_out(4);
  colouring.refine();
  EXPECT_EQ(count(colouring), 8U);
  colouring.go_back(further);
  EXPECT_EQ(count(colouring), 5U);
  EXPECT_EQ(colouring.class_of(0), colouring.class_of(6));
  colouring.go_back(state);
  EXPECT_EQ(colouring.classes(), before);
  EXPECT_EQ(colouring.trace(), state.trace);
}

TEST(Colouring, HasOneTraceWhereAMappingCarriesOneToTheOther) {
  const auto graph = circle(8);
  const auto traced = [&](int first, int second) {
    Colouring colouring(graph, std::vector<std::uint64_t>(8, 0));
    colouring.refine();
    colouring.single_out(first);
    colouring.refine();
    colouring.single_out(second);
    colouring.refine();
    return colouring.trace();
  };
  EXPECT_EQ(traced(0, 1), traced(5, 4));
  EXPECT_EQ(traced(0, 3), traced(2, 7));
  EXPECT_NE(traced(0, 1), traced(0, 3));
}

// What one vertex parts is looked at, not the whole graph. Forty stars of four leaves around a middle: one leaf parts its star.
TEST(Colouring, LooksOnlyAtWhatWasParted) {
  constexpr int stars = 40;
  LabelledGraph graph{std::vector<std::vector<LabelledGraph::Arc>>(1 + stars * 5)};
  for (int s = 0; s < stars; ++s) {
    join(graph, 0, 1 + s * 5);
    for (int leaf = 1; leaf < 5; ++leaf) join(graph, 1 + s * 5, 1 + s * 5 + leaf);
  }
  Colouring colouring(graph, std::vector<std::uint64_t>(1 + stars * 5, 0));
  const auto whole = colouring.refine();
  colouring.single_out(2);
  EXPECT_LT(colouring.refine() * 8, whole);
  EXPECT_EQ(count(colouring), 3U + 3U);
}

}  // namespace
}  // namespace p2plab::colouring_test
