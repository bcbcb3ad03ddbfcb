// SPDX-License-Identifier: Apache-2.0
// Few steps: the frontier that is known from the literature, what brute force says on three and four ranks, and every variant on every shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <random>
#include <set>

#include "p2plab/bounds/bounds.h"
#include "p2plab/plan/frontier.h"
#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"
#include "support/reference.h"

namespace p2plab::latency_test {
namespace {

using test::machine;

using Triple = std::array<int, 3>;  // chunks, steps, rounds

// The share of the payload that one chunk is.
double chunk_share(CollectiveKind kind, int members, int chunks) {
  using enum CollectiveKind;
  return 1.0 / (kind == all_reduce || kind == broadcast || kind == reduce ? chunks : chunks * members);
}

// Every point proved by the verifier, in no more steps than it says, and with no more bytes on any link than its rounds carry.
Frontier checked_frontier(const Topology& topology, CollectiveKind kind, const FrontierOptions& options = {}) {
  const auto collective = make_collective(kind, topology.ranks());
  auto found = frontier(topology, collective, options);
  EXPECT_TRUE(found) << describe(found.error());
  for (const auto& point : found->points) {
    const auto proof = verify(topology, point.plan.schedule);
    EXPECT_TRUE(proof) << describe(proof.error());
    EXPECT_LE(rounds(point.plan.schedule), point.steps);
    const auto busiest = bottleneck(topology, link_loads(topology, point.plan.schedule)).seconds_per_byte;
    const double carried = chunk_share(kind, topology.ranks(), point.chunks) * point.rounds / static_cast<double>(found->unit.bytes_per_second());
    EXPECT_LE(busiest, carried * (1 + 1e-9)) << point.chunks << ',' << point.steps << ',' << point.rounds;
  }
  return *std::move(found);
}

std::set<Triple> triples(const Frontier& found) {
  std::set<Triple> all;
  for (const auto& point : found.points) all.insert({point.chunks, point.steps, point.rounds});
  return all;
}

bool all_proved(const Frontier& found) {
  return std::ranges::all_of(found.points, [](const FrontierPoint& p) { return p.proved; });
}

TEST(Frontier, AllGatherOnADgx1IsTheOneOfTheLiterature) {
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter}) {
    const auto found = checked_frontier(machine("dgx-v100"), kind);
    EXPECT_EQ(triples(found), (std::set<Triple>{{1, 2, 2}, {2, 2, 3}, {3, 3, 4}, {4, 3, 5}, {5, 3, 6}, {6, 3, 7}}));
    EXPECT_TRUE(all_proved(found));
    EXPECT_NEAR(found.least_ratio, 7.0 / 6, 1e-9);  // which (6, 3, 7) reaches
  }
}

TEST(Frontier, BroadcastAndAllToAllOnADgx1AreThoseOfTheLiterature) {
  const auto broadcast = checked_frontier(machine("dgx-v100"), CollectiveKind::broadcast);
  EXPECT_EQ(triples(broadcast), (std::set<Triple>{{2, 2, 2}, {7, 3, 3}}));
  EXPECT_TRUE(all_proved(broadcast));
  const auto all_to_all = checked_frontier(machine("dgx-v100"), CollectiveKind::all_to_all);
  EXPECT_TRUE(triples(all_to_all).contains({1, 2, 3}));
  EXPECT_TRUE(triples(all_to_all).contains({3, 2, 8}));  // 8/3 rounds a chunk: the bandwidth's bound
  EXPECT_TRUE(all_proved(all_to_all));
}

TEST(Frontier, AllReduceOnADgx1AddsUpInTwoStepsAndReachesTwiceTheAllGathersBound) {
  const auto found = checked_frontier(machine("dgx-v100"), CollectiveKind::all_reduce, {.most_chunks = 2, .most_steps = 2});
  EXPECT_EQ(triples(found), (std::set<Triple>{{2, 2, 2}, {8, 4, 4}, {16, 4, 6}}));
  EXPECT_TRUE(found.points.front().proved);  // (2, 2, 2): three chunks in two rounds no broadcast can do
  EXPECT_LT(found.points.back().most_chunks, 6 / found.least_ratio);
  // 7/8 of the payload twice through four lanes, so 7/16 of a round a chunk.
  const auto pascal = checked_frontier(machine("dgx-p100"), CollectiveKind::all_reduce, {.most_chunks = 4, .most_steps = 2});
  EXPECT_TRUE(triples(pascal).contains({32, 4, 14}));
  EXPECT_TRUE(pascal.points.back().proved);
}

TEST(Frontier, AllReduceInAsManyStepsAsARingIsWideExchangesPairByPair) {
  // Neighbours exchange what they have, then each with the other neighbour, and so on: after s steps a rank has the sum of 2 s, in sums that share
  // nothing; a second chunk starts with the other pairs. No broadcast moves three chunks, since two links leave the sender in the first step.
  for (const int n : {4, 6, 8}) {
    const auto found =
        checked_frontier(machine("ring:gpus=" + std::to_string(n)), CollectiveKind::all_reduce, {.most_chunks = 3, .most_steps = n / 2});
    ASSERT_FALSE(found.points.empty());
    EXPECT_EQ((Triple{found.points[0].chunks, found.points[0].steps, found.points[0].rounds}), (Triple{2, n / 2, n / 2})) << n;
    EXPECT_TRUE(found.points[0].proved) << n;
  }
}

TEST(Frontier, SmallRingsAllReduceIsProvedForAnyNumberOfSteps) {
  EXPECT_EQ(triples(checked_frontier(machine("ring:gpus=3"), CollectiveKind::all_reduce)), (std::set<Triple>{{1, 1, 1}, {3, 2, 2}}));
  // (4, 3, 3): 2 * 3 messages of each of four chunks fill eight links in three rounds.
  const auto four = checked_frontier(machine("ring:gpus=4"), CollectiveKind::all_reduce);
  EXPECT_EQ(triples(four), (std::set<Triple>{{2, 2, 2}, {4, 3, 3}}));
  EXPECT_TRUE(all_proved(four));
}

TEST(Frontier, AHypercubesAllReduceExchangesInThreeDimensionsAtOnce) {
  const auto found = checked_frontier(machine("hypercube:dimensions=3"), CollectiveKind::all_reduce, {.most_chunks = 3, .most_steps = 3});
  EXPECT_TRUE(triples(found).contains({3, 3, 3}));  // recursive doubling, each chunk with another dimension first
  EXPECT_TRUE(found.points.front().proved);
}

TEST(Frontier, WhatIsNotProvedSaysHowManyChunksMayFit) {
  const auto found = checked_frontier(machine("dgx-p100"), CollectiveKind::all_reduce, {.most_chunks = 4, .most_steps = 2});
  int open = 0;
  for (const auto& point : found.points) {
    EXPECT_EQ(point.proved, point.most_chunks == point.chunks) << point.chunks;
    EXPECT_LE(point.most_chunks, point.rounds / found.least_ratio + 1e-6) << point.chunks;  // as many as bandwidth allows
    open += point.proved ? 0 : 1;
  }
  EXPECT_GT(open, 0);
}

TEST(Frontier, OnRingsFewestStepsAreHalfTheRanksAndTwoChunksShareTheFarthest) {
  for (const int n : {2, 3, 4, 5, 6, 7, 8}) {
    const auto found = checked_frontier(machine("ring:gpus=" + std::to_string(n)), CollectiveKind::all_gather);
    std::set<Triple> expected{{1, n / 2, n / 2}};
    if (n % 2 == 0 && n > 2) expected.insert({2, n / 2, n - 1});
    EXPECT_EQ(triples(found), expected) << n;
    EXPECT_TRUE(all_proved(found)) << n;
  }
}

TEST(Frontier, AHypercubesAllGatherReachesItsBoundInThreeSteps) {
  const auto found = checked_frontier(machine("hypercube:dimensions=3"), CollectiveKind::all_gather);
  EXPECT_EQ(triples(found), (std::set<Triple>{{1, 3, 3}, {2, 3, 5}, {3, 3, 7}}));
}

TEST(Frontier, OneSwitchNeedsOneStepOfARoundForEachOther) {
  for (const int n : {2, 3, 5, 8})
    EXPECT_EQ(triples(checked_frontier(test::one_switch(n), CollectiveKind::all_gather)), (std::set<Triple>{{1, 1, n - 1}}));
}

TEST(Frontier, TwoChunksThatThreeRanksMustHoldInPairsTakeAThirdRound) {
  // The sender reaches a, b, c with one chunk each in the first step; x, y, z each hear two of them. With two chunks, two of a, b, c hold the same
  // one.
  Topology::Builder builder("triangle");
  for (const char* name : {"sender", "a", "b", "c", "x", "y", "z"}) builder.add_node({.name = name});
  const auto link = [&](int from, int to) { builder.add_link({NodeId{from}, NodeId{to}, LinkKind::nvlink, GBps(1), {}}); };
  for (const int near : {1, 2, 3}) link(0, near);
  for (const auto& [from, to] : {std::pair{1, 4}, {2, 4}, {2, 5}, {3, 5}, {1, 6}, {3, 6}}) link(from, to);
  const auto topology = *std::move(builder).build();
  const auto found = checked_frontier(topology, CollectiveKind::broadcast, {.most_chunks = 2, .most_steps = 2});
  EXPECT_EQ(triples(found), (std::set<Triple>{{1, 2, 2}, {2, 2, 3}}));
}

TEST(Frontier, EndsInTimeWithWhatItHas) {
  const auto found = checked_frontier(machine("mi250x"), CollectiveKind::all_gather, {.most_chunks = 4, .time_limit = Seconds{0.2}});
  EXPECT_FALSE(found.points.empty());
  EXPECT_LT(found.time.count(), 20);
}

// All-gather of one chunk on a few ranks by trying everything: what each rank holds, as bits; in a step each link brings any of what lay at its
// sender, as much as its lanes and the step's rounds carry.
class BruteForce {
 public:
  BruteForce(int n, std::vector<std::array<int, 3>> links) : n_(n), links_(std::move(links)) {}

  // The fewest rounds for so many steps; none up to `most`.
  std::optional<int> fewest_rounds(int steps, int most) {
    std::vector<unsigned> own;
    for (int r = 0; r < n_; ++r) own.push_back(1U << static_cast<unsigned>(r));
    for (int rounds = steps; rounds <= most; ++rounds) {
      if (possible({own}, steps, rounds)) return rounds;
    }
    return std::nullopt;
  }

 private:
  bool possible(const std::set<std::vector<unsigned>>& states, int steps, int rounds) {
    const unsigned all = (1U << static_cast<unsigned>(n_)) - 1;
    if (steps == 0) return std::ranges::any_of(states, [&](const auto& s) { return std::ranges::all_of(s, [&](unsigned h) { return h == all; }); });
    for (int now = steps == 1 ? rounds : 1; now <= rounds - steps + 1; ++now) {
      std::set<std::vector<unsigned>> next;
      for (const auto& state : states) spread(state, state, 0, now, next);
      if (possible(next, steps - 1, rounds - now)) return true;
    }
    return false;
  }

  void spread(const std::vector<unsigned>& before, const std::vector<unsigned>& after, std::size_t link, int rounds,
              std::set<std::vector<unsigned>>& next) {
    if (link == links_.size()) {
      next.insert(after);
      return;
    }
    const auto [from, to, lanes] = links_[link];
    const unsigned useful = before[static_cast<std::size_t>(from)] & ~before[static_cast<std::size_t>(to)];
    const int most = std::min(std::popcount(useful), lanes * rounds);
    for (unsigned sent = useful;; sent = (sent - 1) & useful) {
      if (std::popcount(sent) == most) {
        auto changed = after;
        changed[static_cast<std::size_t>(to)] |= sent;
        spread(before, changed, link + 1, rounds, next);
      }
      if (sent == 0) break;
    }
  }

  int n_;
  std::vector<std::array<int, 3>> links_;
};

TEST(Latency, FewestRoundsAreThoseOfTryingEverything) {
  std::mt19937 random{7};
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  int steps_beyond_least = 0;
  for (int trial = 0; trial < 60; ++trial) {
    const int n = 3 + trial % 2;
    std::vector<std::array<int, 3>> links;
    for (int r = 0; r < n; ++r) links.push_back({r, (r + 1) % n, 1 + below(2)});
    for (int extra = below(3); extra > 0; --extra) {
      const int from = below(static_cast<unsigned>(n));
      const int to = (from + 2 + below(static_cast<unsigned>(n - 2))) % n;
      if (from != to && std::ranges::none_of(links, [&](const auto& l) { return l[0] == from && l[1] == to; }))
        links.push_back({from, to, 1 + below(2)});
    }
    Topology::Builder builder("few");
    for (int r = 0; r < n; ++r) builder.add_node({.name = "gpu" + std::to_string(r)});
    for (const auto& [from, to, lanes] : links) builder.add_link({NodeId{from}, NodeId{to}, LinkKind::nvlink, GBps(lanes), {}});
    const auto topology = *std::move(builder).build();
    const bool unit_is_one = std::ranges::any_of(links, [](const auto& l) { return l[2] == 1; });
    const auto collective = make_collective(CollectiveKind::all_gather, n);
    const int least = bound(topology, collective)->latency_steps;
    for (int steps = least; steps <= std::min(least + 1, 3) && unit_is_one; ++steps) {
      const auto plan = test::plan_on(topology, "latency", collective, {{"steps", std::to_string(steps)}, {"search", "exact"}});
      ASSERT_TRUE(plan) << describe(plan.error());
      int expected = 1 << 20;  // a plan in fewer steps than asked for counts as well
      for (int s = least; s <= steps; ++s) expected = std::min(expected, BruteForce(n, links).fewest_rounds(s, 8).value_or(expected));
      EXPECT_EQ(plan->parameters.at("rounds"), std::to_string(expected)) << "trial " << trial << ", " << steps << " steps";
      steps_beyond_least += steps > least ? 1 : 0;
    }
  }
  EXPECT_GT(steps_beyond_least, 5);
}

TEST(Latency, StepsAreTheFewestThatTheBoundKnowsOnEveryShapeAndRankCount) {
  const std::vector<Topology> machines{test::line(2),
                                       test::line(5),
                                       test::full_mesh(3),
                                       test::full_mesh(6),
                                       test::one_switch(7),
                                       test::dgx1(5, true, false),
                                       test::dgx1(8, false, true),
                                       test::servers(2, 4),
                                       machine("torus:dims=4x4"),
                                       test::one_switch(1)};
  for (const auto& topology : machines) {
    for (const auto kind : all_collective_kinds()) {
      const auto collective = make_collective(kind, topology.ranks(), Rank{topology.ranks() - 1});
      const auto least = bound(topology, collective)->latency_steps;
      const auto plan = test::plan_on(topology, "latency", collective, {{"fabric", "any"}, {"steps", std::to_string(std::max(least, 1))}});
      ASSERT_TRUE(plan) << topology.name() << ' ' << to_string(kind) << ": " << describe(plan.error());
      EXPECT_EQ(rounds(plan->schedule), least) << topology.name() << ' ' << to_string(kind);
    }
  }
}

TEST(Latency, MoreStepsNeverNeedMoreRoundsAndMoreChunksNeverFewer) {
  const auto topology = machine("dgx-v100");
  int before = 1 << 20;
  for (const char* steps : {"2", "3", "4"}) {
    const auto plan = test::plan_on(topology, "latency", CollectiveKind::all_gather, {{"steps", steps}, {"chunks", "6"}, {"search", "exact"}});
    ASSERT_TRUE(plan);
    const int now = std::stoi(plan->parameters.at("rounds"));
    EXPECT_LE(now, before);
    before = now;
  }
  EXPECT_EQ(before, 7);  // six chunks from each of seven others over six lanes
}

TEST(Latency, SixtyFourRanksAreProvedAndTooFewStepsRefused) {
  const auto torus = machine("torus:dims=8x8");
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce, CollectiveKind::all_to_all, CollectiveKind::broadcast}) {
    const auto plan = test::plan_on(torus, "latency", kind);
    ASSERT_TRUE(plan) << describe(plan.error());
  }
  const auto refused = test::plan_on(torus, "latency", CollectiveKind::all_gather, {{"steps", "7"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("8 are needed"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace p2plab::latency_test
