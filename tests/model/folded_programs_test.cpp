// SPDX-License-Identifier: Apache-2.0
// Folded programs: those of representatives alone, simulated, give all that the whole programs give.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/same_result.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/check.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/simulator/plays_folded.h"
#include "p2plab/simulator/simulate.h"
#include "support/plans.h"

namespace p2plab::folded_programs_test {
namespace {

constexpr std::array kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce, CollectiveKind::all_to_all};

struct Case {
  std::string machine;
  std::string planner;
  CollectiveKind kind;
  Parameters parameters = {};
  std::vector<std::string> profiles = {};  // beside the two that all are played with
  std::int64_t odd_elements = 0;           // beside what images divide evenly
};

Result<Plan> folded_plan(const Topology& machine, const Case& wanted) {
  PlanContext context;
  context.fold_from = 2;
  return test::plan_on(machine, wanted.planner, make_collective(wanted.kind, machine.ranks()), wanted.parameters, context);
}

// Numbers that make queues, ties and waits of all sorts.
Profile busy_profile() {
  Profile profile;
  profile.launch = Seconds{2e-6};
  profile.slice_cost = Seconds{300e-9};
  profile.fence = Seconds{200e-9};
  profile.signal_peer = Seconds{700e-9};
  profile.signal_local = Seconds{250e-9};
  profile.link_efficiency = 0.8;
  profile.store_rate = GBps(24);
  profile.load_rate = GBps(20);
  profile.reduce_rate = GBps(40);
  profile.memory_rate = GBps(400);
  profile.read_request = 1;
  profile.outstanding = 4;
  return profile;
}

// What the representatives' own ways load, which `auto` looks at first.
void expect_no_more_than_all_load(const Topology& machine, const Schedule& schedule) {
  const auto all = link_loads(machine, schedule).per_link;
  const auto least = least_link_loads(machine, schedule).per_link;
  for (std::size_t l = 0; l < all.size(); ++l) EXPECT_LE(least[l], all[l] * (1 + 1e-9)) << l;
  EXPECT_GT(std::ranges::max(least), 0);
}

std::vector<Profile> profiles_of(const Case& wanted) {
  std::vector<Profile> profiles{{}, busy_profile()};
  for (const auto& name : wanted.profiles) profiles.push_back(*load_profile(name));
  return profiles;
}

// Counts the programs that are folded.
void compare(const Case& wanted, int& folded_programs) {
  SCOPED_TRACE(wanted.machine + " " + wanted.planner + " " + std::string{to_string(wanted.kind)});
  const auto machine = *resolve_topology(wanted.machine);
  const auto plan = folded_plan(machine, wanted);
  if (!plan || !plan->schedule.folding().folded()) return;
  const PeerAccess peer_access(machine);
  const auto proof = *verify(machine, plan->schedule);
  expect_no_more_than_all_load(machine, plan->schedule);
  const Payload payload{.elements = std::int64_t{machine.ranks()} * 8 * 1024 + wanted.odd_elements};
  for (const auto& tuning : {Tuning{}, Tuning{.blocks_per_lane = 2, .slice = Bytes{4096}}, Tuning{.slice = Bytes{2048}, .lane_per_step = true}}) {
    const auto folded = lower_folded(plan->schedule, proof, payload, tuning, peer_access, 0);
    if (!folded || !*folded) continue;
    const auto timed = even_payloads(plan->schedule, payload)->above;
    const auto whole = lower(plan->schedule, proof, timed, tuning, peer_access, CallerMemory::as_proved, 0);
    if (!whole || whole->packets) continue;
    EXPECT_LT((*folded)->lanes.size(), whole->lanes.size());
    EXPECT_TRUE(check_folded(machine, plan->schedule, proof, **folded));
    EXPECT_TRUE(check(machine, *whole));
    EXPECT_TRUE(wanted.odd_elements == 0 || lower_checked(machine, plan->schedule, proof, payload, tuning));
    for (const auto& profile : profiles_of(wanted)) {
      for (const bool skip : {true, false}) {
        if (!skip && machine.ranks() > 8) continue;
        const auto one = simulate(machine, **folded, profile, {.skip = skip});
        const auto all = simulate(machine, *whole, profile, {.skip = skip});
        ASSERT_TRUE(all);
        if (!one) {  // links that images share
          EXPECT_EQ(one.error().message, "a folded program is not simulated where images share links, or differ in theirs");
          EXPECT_FALSE(folded_resources(machine, plan->schedule, *proof.images(), profile));
          continue;
        }
        const auto resources = folded_resources(machine, plan->schedule, *proof.images(), profile);
        EXPECT_TRUE(resources);
        const auto sooner = simulate(machine, **folded, profile, {.skip = skip, .resources = resources});
        ASSERT_TRUE(sooner);
        test::expect_same(*sooner, *one);
        ++folded_programs;
        test::expect_same(*one, *all);
        EXPECT_EQ(one->events, all->events);
      }
      const auto bound = simulate(machine, **folded, profile, {.engine = SimEngine::path});
      if (bound) test::expect_same(*bound, *simulate(machine, *whole, profile, {.engine = SimEngine::path}));
    }
  }
}

TEST(FoldedPrograms, GiveWhatTheWholeGives) {
  for (const auto* machine : {"ring:gpus=5", "hgx-h200:gpus=4", "hgx-a100:nodes=2,gpus=4", "torus:dims=4x4"}) {
    int folded = 0;
    for (const auto* planner : {"forest", "pairwise", "flow", "hierarchical", "ring", "bruck"}) {
      for (const auto kind : kinds) compare({machine, planner, kind}, folded);
    }
    EXPECT_GT(folded, 16) << machine;
  }
  // Odd sizes, and islands in islands.
  int odd = 0;
  for (const auto* machine :
       {"hgx-a100:nodes=3,gpus=5", "torus:dims=3x5", "hgx-h100:nodes=3,network=rail", "hgx-h100:nodes=4,gpus=2,network=tree,leaf=2"}) {
    for (const auto* planner : {"forest", "hierarchical"}) compare({machine, planner, CollectiveKind::all_gather}, odd);
  }
  EXPECT_GT(odd, 30);
  int larger = 0;
  compare({"hgx-h200:nodes=4", "hierarchical", CollectiveKind::all_reduce}, larger);
  compare({"hgx-h200:nodes=4", "forest", CollectiveKind::reduce_scatter}, larger);
  compare({"torus:dims=8x8", "forest", CollectiveKind::all_gather}, larger);
  EXPECT_EQ(larger, 18);
}

// Both profiles say what loads lose where the other direction of a link is used, the H200's also what stores to several ranks at once lose.
TEST(FoldedPrograms, GiveWhatTheWholeGivesWithQuirksOfNVLink) {
  const std::vector<std::string> profiles{"h100", "h200"};
  const Parameters read{{"inside", "read"}};
  int folded = 0;
  for (const auto* machine : {"hgx-h100:nodes=2,gpus=4", "hgx-h100:nodes=4,gpus=2,network=rail"})
    compare({machine, "hierarchical", CollectiveKind::all_reduce, read, profiles}, folded);
  compare({"hgx-h200:gpus=4", "two_shot", CollectiveKind::all_reduce, {}, profiles}, folded);
  compare({"hgx-h200:gpus=4", "forest", CollectiveKind::all_reduce, {}, profiles}, folded);
  EXPECT_EQ(folded, 96);
}

// Timed is the next payload that images divide evenly.
TEST(FoldedPrograms, OfUnevenPayloadsGiveWhatTheWholeOfTheNextEvenOneGives) {
  int folded = 0;
  for (const auto* machine : {"ring:gpus=5", "hgx-a100:nodes=3,gpus=2", "torus:dims=3x4"}) {
    for (const auto* planner : {"forest", "pairwise", "hierarchical"}) {
      for (const auto kind : kinds) {
        for (const std::int64_t odd : {1, 27}) compare({.machine = machine, .planner = planner, .kind = kind, .odd_elements = odd}, folded);
      }
    }
  }
  EXPECT_GT(folded, 200);
}

// Links between leaves and spines carry what several GPUs below a leaf send.
TEST(FoldedPrograms, AreNotPlayedWhereImagesShareLinks) {
  const auto* const machine = "fat-tree:leaves=2,gpus=4,spines=2";
  int folded = 0;
  compare({machine, "forest", CollectiveKind::all_reduce}, folded);
  compare({machine, "pairwise", CollectiveKind::all_to_all}, folded);
  EXPECT_EQ(folded, 0);
  // But a leaf as a whole does what the other does.
  compare({machine, "hierarchical", CollectiveKind::all_reduce}, folded);
  EXPECT_EQ(folded, 12);
}

// GPU i stores to the next one by three links of its own, each of which is in one of three groups. Each group counts a first, a second and a third
// link of some way, but ways 0 and 2 pass the groups in the same order: two images share each group in one place, and none stands for the others.
TEST(FoldedPrograms, AreNotPlayedWhereSharedPlacesOnlyAddUp) {
  Topology::Builder builder("groups");
  std::vector<NodeId> gpus;
  for (int g = 0; g < 3; ++g) gpus.push_back(builder.add_node({.name = fmt::format("gpu{}", g), .kind = NodeKind::gpu}));
  std::array<std::vector<LinkId>, 3> groups;
  constexpr std::array<std::array<std::size_t, 3>, 3> order{{{0, 1, 2}, {2, 0, 1}, {0, 1, 2}}};
  for (std::size_t g = 0; g < 3; ++g) {
    const auto up = builder.add_node({.name = fmt::format("up{}", g), .kind = NodeKind::nvswitch});
    const auto down = builder.add_node({.name = fmt::format("down{}", g), .kind = NodeKind::nvswitch});
    const std::array way{gpus[g], up, down, gpus[(g + 1) % 3]};
    for (std::size_t l = 0; l < 3; ++l) groups[order[g][l]].push_back(builder.add_link({.from = way[l], .to = way[l + 1], .bandwidth = GBps(100)}));
  }
  for (std::size_t k = 0; k < 3; ++k) builder.add_group({.name = fmt::format("group{}", k), .bandwidth = GBps(20), .links = groups[k]});
  const auto machine = *std::move(builder).build();

  auto steps = *Schedule::Builder::create(make_collective(CollectiveKind::send_receive, 3), 3);
  for (int c = 0; c < 3; ++c) steps.add_chunk({c, 1, 0});
  steps.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  steps.fold({{.ranks = {Rank{0}, Rank{1}, Rank{2}}}, {.ranks = {Rank{1}, Rank{2}, Rank{0}}}, {.ranks = {Rank{2}, Rank{0}, Rank{1}}}});
  const auto schedule = *std::move(steps).build();
  const auto proof = *verify(machine, schedule);
  const auto folded = *lower_folded(schedule, proof, {.elements = 1 << 16}, {}, {}, 0);
  ASSERT_TRUE(folded);
  EXPECT_FALSE(folded_resources(machine, schedule, *proof.images(), {}));
  EXPECT_FALSE(simulate(machine, *folded, {}));
}

// Each GPU loads its block from the one before it on a ring, and, if wanted, stores one to that.
Schedule loads_around(bool stores) {
  auto pairs = make_collective(CollectiveKind::send_receive, 4);
  pairs.pairs.clear();
  for (int r = 0; r < 4; ++r) {
    pairs.pairs.emplace_back(Rank{r}, Rank{(r + 1) % 4});
    if (stores) pairs.pairs.emplace_back(Rank{(r + 1) % 4}, Rank{r});
  }
  auto steps = *Schedule::Builder::create(pairs, 4);
  for (int c = 0; c < (stores ? 8 : 4); ++c) steps.add_chunk({c, 1, 0});
  steps.copy(Rank{1}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  if (stores) steps.copy(Rank{1}, input(Rank{1}, ChunkId{1}), output(Rank{0}, ChunkId{1}));
  std::vector<ScheduleImage> images(4);
  for (int i = 0; i < 4; ++i) {
    for (int r = 0; r < 4; ++r) images[static_cast<std::size_t>(i)].ranks.push_back(Rank{(r + i) % 4});
  }
  steps.fold(images);
  return *std::move(steps).build();
}

// On a ring each GPU loads from the one before it, and stores to that one, too, or to none. Where it does, loads are slower, folded as whole.
TEST(FoldedPrograms, LoseAsTheWholeWhereTheOtherDirectionIsUsed) {
  const auto machine = *resolve_topology("ring:gpus=4");
  auto profile = busy_profile();
  profile.quirks.duplex_read = 0.5;
  std::array<SimTime, 2> times;
  for (const bool stores : {false, true}) {
    const auto schedule = loads_around(stores);
    const auto proof = *verify(machine, schedule);
    const PeerAccess peer_access(machine);
    const auto folded = **lower_folded(schedule, proof, {.elements = 1 << 16}, {}, peer_access, 0);
    const auto whole = *lower(schedule, proof, {.elements = 1 << 16}, {}, peer_access, CallerMemory::as_proved, 0);
    const auto one = *simulate(machine, folded, profile);
    test::expect_same(one, *simulate(machine, whole, profile));
    test::expect_same(one, *simulate(machine, folded, profile, {.resources = folded_resources(machine, schedule, *proof.images(), profile)}));
    times[stores ? 1 : 0] = one.makespan;
    EXPECT_EQ(one.makespan > simulate(machine, folded, busy_profile())->makespan, stores);
  }
  EXPECT_GT(times[1], times[0]);
}

// GPU 1 loads from GPU 0 and stores to it, and 3 so with 2, but 0 and 1 do both by one switch, 2 and 3 by two.
TEST(FoldedPrograms, AreNotPlayedWhereLoadsOfImagesDiffer) {
  Topology::Builder builder("switches");
  std::array<NodeId, 4> gpus;
  std::array<NodeId, 3> switches;
  for (auto& gpu : gpus) gpu = builder.add_node({.name = fmt::format("gpu{}", &gpu - gpus.data()), .kind = NodeKind::gpu});
  for (auto& one : switches) one = builder.add_node({.name = fmt::format("switch{}", &one - switches.data()), .kind = NodeKind::nvswitch});
  constexpr std::array<std::array<std::size_t, 3>, 4> ways{{{0, 0, 1}, {1, 0, 0}, {2, 1, 3}, {3, 2, 2}}};
  for (const auto& [from, by, to] : ways) {
    builder.add_link({.from = gpus[from], .to = switches[by], .bandwidth = GBps(100)});
    builder.add_link({.from = switches[by], .to = gpus[to], .bandwidth = GBps(100)});
  }
  const auto machine = *std::move(builder).build();
  auto pairs = make_collective(CollectiveKind::send_receive, 4);
  pairs.pairs = {{Rank{0}, Rank{1}}, {Rank{1}, Rank{0}}, {Rank{2}, Rank{3}}, {Rank{3}, Rank{2}}};
  auto steps = *Schedule::Builder::create(pairs, 4);
  for (int c = 0; c < 4; ++c) steps.add_chunk({c, 1, 0});
  steps.copy(Rank{1}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  steps.copy(Rank{1}, input(Rank{1}, ChunkId{1}), output(Rank{0}, ChunkId{1}));
  steps.fold({{.ranks = {Rank{0}, Rank{1}, Rank{2}, Rank{3}}}, {.ranks = {Rank{2}, Rank{3}, Rank{0}, Rank{1}}}});
  const auto schedule = *std::move(steps).build();
  const auto proof = *verify(machine, schedule);
  const auto folded = **lower_folded(schedule, proof, {.elements = 1 << 16}, {}, PeerAccess(machine), 0);
  const Profile quirky{.quirks = {.duplex_read = 0.5}};
  const auto resources = folded_resources(machine, schedule, *proof.images(), {});
  EXPECT_TRUE(resources);
  EXPECT_TRUE(simulate(machine, folded, {}, {.resources = resources}));
  EXPECT_FALSE(folded_resources(machine, schedule, *proof.images(), quirky));
  EXPECT_FALSE(simulate(machine, folded, quirky, {.resources = resources}));
}

// Ranks that start apart, and quirks of PCIe.
TEST(FoldedPrograms, AreNotPlayedWhereRanksDiffer) {
  const auto machine = *resolve_topology("hgx-h200:gpus=4");
  const auto plan = *folded_plan(machine, {"", "forest", CollectiveKind::all_gather});
  const auto proof = *verify(machine, plan.schedule);
  const auto folded = **lower_folded(plan.schedule, proof, {.elements = 4096}, {}, {}, 0);
  auto apart = busy_profile();
  apart.start_skew = Seconds{1e-6};
  EXPECT_FALSE(simulate(machine, folded, apart));
  auto quirky = busy_profile();
  for (const Quirks quirks : {Quirks{.pcie_read = 0.5}, Quirks{.posted_writes = 0.5}, Quirks{.exchange = 0.5}}) {
    quirky.quirks = quirks;
    EXPECT_FALSE(simulate(machine, folded, quirky));
  }
  EXPECT_FALSE(simulate(machine, folded, {}, {.record = true}));
  EXPECT_FALSE(simulate(machine, folded, {}, {.engine = SimEngine::max_min}));
}

}  // namespace
}  // namespace p2plab::folded_programs_test
