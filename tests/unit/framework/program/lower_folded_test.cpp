// SPDX-License-Identifier: Apache-2.0
// Programs of the representatives alone: when there are such, what they hold, and that a wrong one is found.
#include <gtest/gtest.h>

#include "p2plab/detail/digest.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_traffic.h"
#include "support/plans.h"

namespace p2plab::lower_folded_test {
namespace {

struct Folded {
  Topology machine;
  Schedule schedule;
  Proof proof;
};

Folded folded_on(const std::string& name, const std::string& planner, CollectiveKind kind, bool in_place = false) {
  auto machine = *resolve_topology(name);
  PlanContext context{.in_place = in_place};
  context.fold_from = 2;
  auto plan = test::plan_on(machine, planner, make_collective(kind, machine.ranks()), {}, context);
  auto proof = *verify(machine, plan->schedule, {.in_place = in_place});
  return {std::move(machine), std::move(plan->schedule), std::move(proof)};
}

std::optional<Program> lowered(const Folded& of, const Payload& payload = {.elements = 16384}, const Tuning& tuning = {}) {
  return *lower_folded(of.schedule, of.proof, payload, tuning, PeerAccess(of.machine), 0);
}

TEST(LowerFolded, HoldsTheLanesThatTheWholeHasOfRepresentatives) {
  const auto of = folded_on("hgx-h200:nodes=4", "hierarchical", CollectiveKind::all_reduce);
  const auto folded = lowered(of);
  ASSERT_TRUE(folded);
  EXPECT_EQ(folded->images->images(), 4);
  const auto whole = *lower(of.schedule, of.proof, {.elements = 16384}, {}, {}, CallerMemory::as_proved, 0);
  std::size_t l = 0;
  for (const auto& lane : whole.lanes) {
    if (whole.images->representative(lane.rank) != lane.rank) continue;
    const auto& mine = folded->lanes[l++];
    ASSERT_TRUE(mine.rank == lane.rank && mine.count == lane.count);
    for (std::uint32_t i = 0; i < lane.count; ++i) {
      const auto& a = folded->instructions[mine.first + i];
      const auto& b = whole.instructions[lane.first + i];
      ASSERT_TRUE(a.step == b.step && a.bytes == b.bytes && a.wait_count == b.wait_count && a.signals == b.signals);
      for (std::uint32_t o = 0; o < std::uint32_t{a.sources} + a.destinations; ++o) {
        const auto& x = folded->operands[a.operands + o];
        const auto& y = whole.operands[b.operands + o];
        ASSERT_TRUE(x.rank == y.rank && x.buffer == y.buffer && x.offset == y.offset && x.route == y.route);
      }
    }
  }
  EXPECT_EQ(l, folded->lanes.size());
  EXPECT_EQ(folded->instructions.size(), of.schedule.base_step_count());
  ASSERT_EQ(folded->memory.size(), whole.memory.size());
  for (std::size_t r = 0; r < whole.memory.size(); ++r) EXPECT_EQ(folded->memory[r].scratch, whole.memory[r].scratch);
}

TEST(LowerFolded, IsProvedAndCountsAsTheWhole) {
  for (const auto* planner : {"forest", "hierarchical"}) {
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter}) {
      SCOPED_TRACE(std::string{planner} + " " + std::string{to_string(kind)});
      for (const bool in_place : {false, true}) {
        const auto of = folded_on("hgx-a100:nodes=2,gpus=4", planner, kind, in_place);
        for (const auto op : {ReduceOp::sum, ReduceOp::average}) {
          const Payload payload{.elements = 16384, .op = op};
          const auto folded = lowered(of, payload, {.slice = Bytes{1024}});
          ASSERT_TRUE(folded);
          const auto proved = check_folded(of.machine, of.schedule, of.proof, *folded);
          EXPECT_TRUE(proved) << describe(proved.error());
          const auto whole = *lower(of.schedule, of.proof, payload, {.slice = Bytes{1024}}, {}, CallerMemory::as_proved, 0);
          EXPECT_EQ(packet_traffic(of.schedule, of.proof, *folded).sent, packet_traffic(whole).sent);
          EXPECT_EQ(packet_traffic(of.schedule, of.proof, *folded).apart, packet_traffic(whole).apart);
        }
      }
    }
  }
}

TEST(LowerFolded, IsNoneWhereImagesDiffer) {
  const auto of = folded_on("hgx-a100:nodes=2,gpus=4", "forest", CollectiveKind::all_reduce);
  EXPECT_FALSE(lowered(of, {.elements = 16384}, {.protocol = Protocol::copy}));      // copy engines
  EXPECT_FALSE(*lower_folded(of.schedule, of.proof, {.elements = 16384}, {}));       // so small that it needs no folding
  EXPECT_FALSE(lowered(folded_on("dgx-v100", "ring", CollectiveKind::all_reduce)));  // a list of steps
}

// Whoever does not know of folding is told.
TEST(LowerFolded, IsNoProgramByItself) {
  const auto of = folded_on("hgx-a100:nodes=2,gpus=4", "forest", CollectiveKind::all_reduce);
  const auto proved = check(of.machine, *lowered(of));
  ASSERT_FALSE(proved);
  EXPECT_EQ(proved.error().message, "the program is folded: its lanes stand for those of other ranks");
}

TEST(LowerFolded, WrongOnesAreFound) {
  const auto of = folded_on("hgx-a100:nodes=2,gpus=4", "hierarchical", CollectiveKind::all_reduce);
  const auto good = *lowered(of);
  const auto message = [&](const auto& change) {
    auto wrong = good;
    change(wrong);
    const auto proved = check_folded(of.machine, of.schedule, of.proof, wrong);
    EXPECT_FALSE(proved);
    return proved ? std::string{} : proved.error().message;
  };
  const auto waiting = static_cast<std::size_t>(std::ranges::find_if(good.instructions, [](const Instruction& i) { return i.wait_count > 0; }) -
                                                good.instructions.begin());
  const auto differs = "the folded program does not do what step";
  EXPECT_TRUE(message([&](Program& p) { p.instructions[0].bytes -= 16; }).starts_with(differs));
  EXPECT_TRUE(message([&](Program& p) { p.operands[0].rank = Rank{p.operands[0].rank.value ^ 1}; }).starts_with(differs));
  EXPECT_TRUE(message([&](Program& p) { p.operands[0].offset += 16; }).starts_with(differs));
  EXPECT_TRUE(message([&](Program& p) { p.operands.back().offset += 1 << 20; }).starts_with(differs));
  EXPECT_TRUE(message([&](Program& p) { --p.instructions[waiting].wait_count; }).starts_with(differs));
  EXPECT_TRUE(message([&](Program& p) { p.waits[p.instructions[waiting].waits].lane = LaneId{0}; }).starts_with("the folded program"));
  EXPECT_TRUE(message([&](Program& p) { std::swap(p.instructions[0], p.instructions[1]); }).starts_with("the folded program"));
  EXPECT_EQ(message([&](Program& p) { p.memory[1].scratch = Bytes{0}; }), "the folded program states other memory than its schedule needs");
  EXPECT_EQ(message([&](Program& p) { p.memory[5].output = Bytes{0}; }), "the folded program states other memory than its schedule needs");
  EXPECT_EQ(message([&](Program& p) { p.route_offsets.push_back(0); }), "the folded program has other routes than its schedule");
  EXPECT_EQ(message([&](Program& p) { p.images = nullptr; }), "the folded program has other images than its schedule");
  EXPECT_EQ(message([&](Program& p) { p.folded = false; }), "the folded program has other images than its schedule");
}

// Turns of a ring; a turn with one rank left where it is; and a turn and its square alone, which are no group.
TEST(RankImages, AreGroupsThatActFreely) {
  const auto images_of = [](const std::vector<std::vector<int>>& moves) {
    const auto ranks = static_cast<int>(moves.front().size());
    auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_gather, ranks), ranks);
    std::vector<ScheduleImage> images;
    for (const auto& move : moves) {
      ScheduleImage image;
      for (const auto to : move) image.ranks.emplace_back(to);
      images.push_back(std::move(image));
    }
    for (std::size_t i = 0; i < images.size() * static_cast<std::size_t>(ranks); ++i) builder.add_chunk({static_cast<std::int32_t>(i) % ranks, 1, 0});
    builder.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{0}, ChunkId{0}));
    builder.fold(std::move(images));
    return RankImages::of(*std::move(builder).build());
  };
  const auto turns = images_of({{0, 1, 2, 3}, {2, 3, 0, 1}});
  ASSERT_TRUE(turns);
  EXPECT_EQ(turns->representative(Rank{3}), Rank{1});
  EXPECT_EQ(turns->to(Rank{3}), 1);
  EXPECT_EQ(turns->back(Rank{2}), 1);
  const auto around = images_of({{0, 1, 2, 3}, {1, 2, 3, 0}, {2, 3, 0, 1}, {3, 0, 1, 2}});
  const auto across = images_of({{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}});
  ASSERT_TRUE(around && across);
  // Programs that differ in nothing else are timed apart.
  Program one;
  one.images = around;
  auto other = one;
  other.images = across;
  EXPECT_NE(digest(one), digest(other));
  EXPECT_FALSE(images_of({{0, 1, 2, 3}, {1, 0, 2, 3}}));                // ranks 2 and 3 stay
  EXPECT_FALSE(images_of({{0, 1, 2, 3}, {1, 2, 3, 0}, {2, 3, 0, 1}}));  // without the last turn
  EXPECT_FALSE(images_of({{0, 1, 2, 3}, {1, 2, 3, 0}}));
}

}  // namespace
}  // namespace p2plab::lower_folded_test
