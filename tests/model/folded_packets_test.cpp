// SPDX-License-Identifier: Apache-2.0
// Folded packet programs: the items of representatives, made of one image, are those of the whole program, and so are times and proofs.
#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/same_result.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/check.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/program/lower.h"
#include "p2plab/simulator/plays_folded.h"
#include "p2plab/simulator/simulate.h"
#include "support/plans.h"

namespace p2plab::folded_packets_test {
namespace {

constexpr std::array kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce, CollectiveKind::all_to_all};
constexpr std::array protocols{Protocol::ll, Protocol::ll128, Protocol::lamport};

struct Case {
  std::string machine;
  std::string planner;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Parameters parameters = {};
  std::int64_t bytes_of_rank = 512;
  bool in_place = false;
  std::int64_t odd_elements = 0;  // beside what images divide evenly
};

Result<Plan> folded_plan(const Topology& machine, const Case& wanted) {
  PlanContext context;
  context.fold_from = 2;
  context.in_place = wanted.in_place;
  return test::plan_on(machine, wanted.planner, make_collective(wanted.kind, machine.ranks()), wanted.parameters, context);
}

// What packets cost, and links that they queue at.
Profile packet_profile() {
  Profile profile;
  profile.packet_start = Seconds{700e-9};
  profile.packet_item = Seconds{56e-9};
  profile.packet_tail = Seconds{57e-9};
  profile.poll = Seconds{200e-9};
  profile.link_efficiency = 0.8;
  profile.memory_rate = GBps(400);
  return profile;
}

// The same by thread blocks' costs.
Profile block_profile() {
  Profile profile;
  profile.launch = Seconds{2e-6};
  profile.slice_cost = Seconds{300e-9};
  profile.poll = Seconds{200e-9};
  profile.store_rate = GBps(24);
  profile.load_rate = GBps(20);
  profile.reduce_rate = GBps(40);
  return profile;
}

void expect_same_run(const SimResult& folded, const SimResult& whole) {
  test::expect_same(folded, whole);
  EXPECT_EQ(folded.events, whole.events);
}

void expect_same(std::span<const PacketOperand> folded, std::span<const PacketOperand> whole) {
  ASSERT_EQ(folded.size(), whole.size());
  for (std::size_t o = 0; o < whole.size(); ++o) {
    EXPECT_EQ(folded[o].place, whole[o].place);
    EXPECT_EQ(folded[o].rank, whole[o].rank);
    EXPECT_EQ(folded[o].buffer, whole[o].buffer);
    EXPECT_EQ(folded[o].route, whole[o].route);
    if (is_landing(whole[o])) continue;  // slots are counted in another order
    EXPECT_EQ(folded[o].offset, whole[o].offset);
  }
}

// Each representative has the items that it has in the whole program.
void expect_same_items(const Program& folded, const Program& whole) {
  EXPECT_EQ(folded.packets->wire, whole.packets->wire);
  EXPECT_EQ(folded.packets->most_bytes, whole.packets->most_bytes);
  EXPECT_EQ(std::pair(folded.packets->landing, folded.packets->columns), std::pair(whole.packets->landing, whole.packets->columns));
  for (std::size_t r = 0; r < whole.packets->ranks.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    const auto& items = folded.packets->ranks[r];
    const auto& all = whole.packets->ranks[r];
    if (folded.images->representative(rank) != rank) {
      EXPECT_TRUE(items.empty());
      continue;
    }
    ASSERT_EQ(items.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(fmt::format("rank {}, item {}", r, i));
      EXPECT_EQ(items[i].step, all[i].step);
      EXPECT_EQ(items[i].bytes, all[i].bytes);
      EXPECT_EQ(std::pair(items[i].joins, items[i].column), std::pair(all[i].joins, all[i].column));
      EXPECT_EQ(items[i].divides, all[i].divides);
      expect_same(items[i].sources, all[i].sources);
      expect_same(items[i].destinations, all[i].destinations);
    }
  }
}

// Counts the programs that are played folded.
void compare(const Case& wanted, int& folded_programs) {
  SCOPED_TRACE(wanted.machine + " " + wanted.planner + " " + std::string{to_string(wanted.kind)});
  const auto machine = *resolve_topology(wanted.machine);
  const auto plan = folded_plan(machine, wanted);
  if (!plan || !plan->schedule.folding().folded()) return;
  const PeerAccess peer_access(machine);
  const auto proof = *verify(machine, plan->schedule, {.in_place = wanted.in_place});
  const Payload payload{.elements = std::int64_t{machine.ranks()} * wanted.bytes_of_rank / 4 + wanted.odd_elements};
  const auto h200 = *load_profile("h200");
  std::map<const Profile*, std::vector<std::shared_ptr<const FoldedResources>>> known;  // of packets of other wires
  const std::array profiles{Profile{}, packet_profile(), block_profile(), h200};
  for (const auto protocol : protocols) {
    const auto folded = lower_folded(plan->schedule, proof, payload, {.protocol = protocol}, peer_access, 0);
    if (!folded || !*folded) continue;
    const auto timed = even_payloads(plan->schedule, payload)->above;
    const auto whole = *lower(plan->schedule, proof, timed, {.protocol = protocol}, peer_access, CallerMemory::as_proved, 0);
    ASSERT_TRUE(whole.packets);
    expect_same_items(**folded, whole);
    const auto proved = check_folded(machine, plan->schedule, proof, **folded);
    EXPECT_TRUE(proved) << (proved ? "" : proved.error().message);
    EXPECT_TRUE(check(machine, whole));
    EXPECT_TRUE(wanted.odd_elements == 0 || lower_checked(machine, plan->schedule, proof, payload, {.protocol = protocol}));
    for (const auto& profile : profiles) {
      const auto one = simulate(machine, **folded, profile, {.in_a_row = true});
      const auto resources = packet_resources(machine, **folded, profile, known[&profile]);
      EXPECT_TRUE(known[&profile].empty() || resources == known[&profile].front());
      EXPECT_EQ(static_cast<bool>(one), resources != nullptr);
      if (!one) continue;  // links that images share
      known[&profile] = {resources};
      ++folded_programs;
      expect_same_run(*one, *simulate(machine, **folded, profile, {.in_a_row = true, .resources = resources}));
      expect_same_run(*one, *simulate(machine, whole, profile, {.in_a_row = true}));
    }
  }
}

TEST(FoldedPackets, AreThoseOfTheWhole) {
  for (const auto* machine : {"ring:gpus=3", "ring:gpus=5", "hgx-h200:gpus=2", "hgx-h200:gpus=6", "hgx-a100:nodes=2,gpus=4", "torus:dims=4x4"}) {
    int folded = 0;
    for (const auto* planner : {"forest", "pairwise", "one_shot", "two_shot", "flow", "hierarchical", "ring", "bruck"}) {
      for (const auto kind : kinds) compare({machine, planner, kind}, folded);
    }
    EXPECT_GT(folded, 20) << machine;
  }
}

TEST(FoldedPackets, AreThoseOfTheWholeOnRailsInIslandsOfIslandsAndInColumns) {
  for (const auto* machine : {"hgx-a100:nodes=3,gpus=5", "torus:dims=3x5", "hgx-h100:nodes=3,network=rail,gpus=7",
                              "hgx-h100:nodes=4,gpus=2,network=tree,leaf=2", "hgx-a100:nodes=2,gpus=8", "hgx-a100:nodes=8,gpus=4"}) {
    int folded = 0;
    for (const auto* planner : {"forest", "hierarchical"}) {
      for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce}) compare({machine, planner, kind}, folded);
    }
    EXPECT_GT(folded, 8) << machine;
  }
}

// Rounds of packets, a few bytes, one memory for input and output, and what a hierarchy does in other forms.
TEST(FoldedPackets, AreThoseOfTheWholeAtAllSizes) {
  int folded = 0;
  for (const std::int64_t bytes : {16, 64, 3 << 20}) compare({.machine = "hgx-h200:gpus=4", .planner = "forest", .bytes_of_rank = bytes}, folded);
  EXPECT_EQ(folded, 36);
  int in_place = 0;
  for (const auto* planner : {"forest", "hierarchical"})
    compare({.machine = "hgx-a100:nodes=2,gpus=3", .planner = planner, .in_place = true}, in_place);
  EXPECT_GT(in_place, 0);
  int forms = 0;
  for (const auto* across : {"ring", "tree"})
    compare({.machine = "hgx-a100:nodes=4,gpus=2", .planner = "hierarchical", .parameters = {{"across", across}}}, forms);
  EXPECT_GT(forms, 0);
}

// Also such that some images have nothing to move.
TEST(FoldedPackets, OfUnevenPayloadsAreThoseOfTheNextEvenOne) {
  int folded = 0;
  for (const auto* machine : {"ring:gpus=5", "hgx-a100:nodes=3,gpus=2"}) {
    for (const auto* planner : {"forest", "pairwise", "one_shot", "two_shot", "hierarchical"}) {
      for (const auto kind : kinds) {
        compare({.machine = machine, .planner = planner, .kind = kind, .bytes_of_rank = 0, .odd_elements = 1}, folded);
        compare({.machine = machine, .planner = planner, .kind = kind, .odd_elements = 3}, folded);
      }
    }
  }
  EXPECT_GT(folded, 200);
}

struct Folded {
  std::int64_t elements = 4096;
  Topology machine = *resolve_topology("hgx-a100:nodes=2,gpus=4");
  Plan plan = *folded_plan(machine, {"", "forest", CollectiveKind::all_reduce});
  Proof proof = *verify(machine, plan.schedule);
  Program program = **lower_folded(plan.schedule, proof, {.elements = elements}, {.protocol = Protocol::ll}, {}, 0);

  // What the proof says once `change` was made.
  template <class Change>
  std::string after(Change change) const {
    auto packets = *program.packets;
    change(packets);
    auto other = program;
    other.packets = std::make_shared<const PacketProgram>(std::move(packets));
    const auto proved = check_folded(machine, plan.schedule, proof, other);
    return proved ? "" : proved.error().message;
  }
};

// Every item's every part counts.
void expect_wrong_ones_are_found(const Folded& folded) {
  EXPECT_EQ(folded.after([](PacketProgram&) {}), "");
  int caught = 0;
  const auto& ranks = folded.program.packets->ranks;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    for (std::size_t i = 0; i < ranks[r].size(); ++i) {
      SCOPED_TRACE(fmt::format("rank {}, item {}", r, i));
      const auto item = [&](PacketProgram& packets) -> PacketItem& { return packets.ranks[r][i]; };
      EXPECT_NE(folded.after([&](PacketProgram& packets) { packets.ranks[r].erase(packets.ranks[r].begin() + static_cast<std::ptrdiff_t>(i)); }), "");
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).sources.pop_back(); }), "");
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).destinations.clear(); }), "");
      if (ranks[r][i].is_token()) continue;
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).bytes -= 4; }), "");
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).bytes += 4; }), "");
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).sources[0].offset += 4; }), "");
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).step = StepId{item(packets).step.value + 1}; }), "");
      ++caught;
      if (!ranks[r][i].sends()) continue;
      EXPECT_NE(folded.after([&](PacketProgram& packets) { item(packets).destinations[0].image += 1; }), "");
    }
  }
  EXPECT_GT(caught, 8);
}

TEST(FoldedPackets, AreNotBelieved) {
  expect_wrong_ones_are_found({});
  expect_wrong_ones_are_found({.elements = 4099});
}

TEST(FoldedPackets, NeedSlotsThatLieApartAndTokens) {
  const Folded folded;
  EXPECT_NE(folded.after([](PacketProgram& packets) { packets.landing.back() += 128; }), "");
  EXPECT_NE(folded.after([](PacketProgram& packets) { packets.messages[0].to = packets.messages[0].from; }), "");
  EXPECT_NE(folded.after([](PacketProgram& packets) { packets.folded = false; }), "");
  // All slots at one place.
  const auto together = folded.after([](PacketProgram& packets) {
    for (auto& items : packets.ranks) {
      for (auto& item : items) {
        for (auto* operands : {&item.sources, &item.destinations}) {
          for (auto& operand : *operands) operand.offset = is_landing(operand) ? 0 : operand.offset;
        }
      }
    }
  });
  EXPECT_NE(together, "");
  // Whole programs are not taken for folded ones.
  auto whole = *lower(folded.plan.schedule, folded.proof, {.elements = 4096}, {.protocol = Protocol::ll}, {}, CallerMemory::as_proved, 0);
  EXPECT_TRUE(check(folded.machine, whole));
  whole.packets = folded.program.packets;
  EXPECT_FALSE(check(folded.machine, whole));
}

// A receiver of an all-gather in one direction tells nobody that it has begun, but for its tokens.
TEST(FoldedPackets, HaveTokensWhereDataDoesNotTell) {
  const auto machine = *resolve_topology("ring:gpus=5");
  auto steps = *Schedule::Builder::create(make_collective(CollectiveKind::send_receive, 5), 5);
  for (int c = 0; c < 5; ++c) steps.add_chunk({c, 1, 0});
  steps.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  std::vector<ScheduleImage> images(5);
  for (std::int64_t i = 0; i < 5; ++i) {
    for (std::int64_t r = 0; r < 5; ++r) images[static_cast<std::size_t>(i)].ranks.emplace_back((r + i) % 5);
  }
  steps.fold(std::move(images));
  const auto schedule = *std::move(steps).build();
  const auto proof = *verify(machine, schedule);
  auto folded = **lower_folded(schedule, proof, {.elements = 640}, {.protocol = Protocol::ll}, {}, 0);
  const auto whole = *lower(schedule, proof, {.elements = 640}, {.protocol = Protocol::ll}, {}, CallerMemory::as_proved, 0);
  expect_same_items(folded, whole);
  ASSERT_EQ(folded.packets->ranks[0].size(), 4U);
  EXPECT_TRUE(folded.packets->ranks[0].front().is_token());
  EXPECT_TRUE(check_folded(machine, schedule, proof, folded));
  const auto one = simulate(machine, folded, packet_profile(), {.in_a_row = true});
  ASSERT_TRUE(one);
  expect_same_run(*one, *simulate(machine, whole, packet_profile(), {.in_a_row = true}));
  auto packets = *folded.packets;
  for (auto& items : packets.ranks) std::erase_if(items, &PacketItem::is_token);
  folded.packets = std::make_shared<const PacketProgram>(std::move(packets));
  const auto proved = check_folded(machine, schedule, proof, folded);
  ASSERT_FALSE(proved);
  EXPECT_EQ(proved.error().message, "the folded packet program has rank 0 send to rank 1 without a word that it has begun the call");
}

}  // namespace
}  // namespace p2plab::folded_packets_test
