// SPDX-License-Identifier: Apache-2.0
// The checker of packets: what it proves, and that it names what is wrong.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/presets.h"
#include "p2plab/program/check.h"
#include "support/machines.h"
#include "support/plans.h"
#include "support/simulated.h"

namespace p2plab::packets_test {
namespace {

constexpr auto wires = {PacketWire::ll, PacketWire::ll128, PacketWire::lamport};

// Ranks reach those of their own half.
PeerAccess halves(int ranks) {
  std::vector<bool> reaches;
  for (int a = 0; a < ranks; ++a) {
    for (int b = 0; b < ranks; ++b) reaches.push_back(a / ((ranks + 1) / 2) == b / ((ranks + 1) / 2));
  }
  return {static_cast<std::size_t>(ranks), reaches, true};
}

struct Packets {
  Program program;
  PacketProgram packets;
  PeerAccess peer_access;

  std::string verdict() const {
    const auto checked = check_packets(peer_access, program, packets);
    return checked ? "proved" : checked.error().message;
  }
  PacketItem& item(std::size_t rank, std::size_t index) { return packets.ranks[rank][index]; }
};

Packets packets_of(const char* planner, CollectiveKind kind, Bytes size, int ranks = 4, PacketWire wire = PacketWire::ll, PeerAccess access = {}) {
  auto program = test::planned(test::one_switch(ranks), planner, kind, size);
  auto packets = make_packet_program(program, access, wire);
  return {std::move(program), std::move(packets), std::move(access)};
}

TEST(PacketCheck, ProvesAllPlansOnEveryWireWithAndWithoutHostMemory) {
  for (const auto size : {0_B, 4_B, 36_B, 4_KiB, 1_GiB}) {
    for (const auto wire : wires) {
      for (const int ranks : {1, 2, 3, 5, 8}) {
        for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
          EXPECT_EQ(packets_of(planner, CollectiveKind::all_reduce, size, ranks, wire).verdict(), "proved") << planner << ' ' << ranks;
          EXPECT_EQ(packets_of(planner, CollectiveKind::all_reduce, size, ranks, wire, halves(ranks)).verdict(), "proved") << planner << ' ' << ranks;
        }
        EXPECT_EQ(packets_of("forest", CollectiveKind::broadcast, size, ranks, wire).verdict(), "proved") << ranks;
      }
    }
  }
}

// The root of a broadcast hears of its readers only by tokens; without one it could write into slots of two calls before.
TEST(PacketCheck, ATokenThatIsNotAwaitedIsRefused) {
  auto broadcast = packets_of("one_shot", CollectiveKind::broadcast, 4_KiB, 3);
  auto& items = broadcast.packets.ranks[0];
  ASSERT_TRUE(items.back().is_token());
  items.pop_back();
  EXPECT_EQ(broadcast.verdict(),
            "rank 0 may send message 1 of the next call but one while rank 2 still reads it: nothing tells rank 0 that rank 2 has begun the call");
}

TEST(PacketCheck, AMessageThatNobodySendsIsRefused) {
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 3);
  auto& items = ring.packets.ranks[1];
  items.erase(items.begin());
  EXPECT_NE(ring.verdict().find("which nobody sends"), std::string::npos) << ring.verdict();
}

TEST(PacketCheck, AMessageSentTwiceIsRefused) {
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 3);
  auto& items = ring.packets.ranks[1];
  items.insert(items.begin(), items.front());
  EXPECT_NE(ring.verdict().find(", as rank 1, item"), std::string::npos) << ring.verdict();
}

TEST(PacketCheck, RanksThatWaitForEachOtherAreRefused) {
  auto two = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 2);
  for (auto& items : two.packets.ranks) {
    std::ranges::reverse(items);
    for (auto& item : items) item.joins = false;
  }
  EXPECT_NE(two.verdict().find("waits for itself through others"), std::string::npos) << two.verdict();
}

TEST(PacketCheck, AProgramThatIsNotWholeIsRefusedBeforeItIsLookedInto) {
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 3);
  auto short_of_a_rank = ring;
  short_of_a_rank.packets.landing.pop_back();
  EXPECT_EQ(short_of_a_rank.verdict(), "the packet program is for another number of ranks than its program");
  auto for_a_stranger = ring;
  for_a_stranger.packets.messages.front().to = Rank{3};
  EXPECT_EQ(for_a_stranger.verdict(), "a message names rank 3 of 3");
  ring.packets.ranks[0].front().joins = true;
  EXPECT_NE(ring.verdict().find("joins an item before the first"), std::string::npos) << ring.verdict();
}

TEST(PacketCheck, AnItemThatLeavesOutAnElementIsRefused) {
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 3);
  for (auto& item : ring.packets.ranks[2]) {
    if (item.sends()) continue;
    item.bytes -= 4;
    break;
  }
  EXPECT_NE(ring.verdict(), "proved");
}

TEST(PacketCheck, AReadBesideTheSlotIsRefused) {
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 3);
  for (auto& item : ring.packets.ranks[0]) {
    for (auto& source : item.sources) {
      if (!is_landing(source)) continue;
      source.offset += 128;
      EXPECT_NE(ring.verdict().find("another place than where it lands"), std::string::npos) << ring.verdict();
      return;
    }
  }
  FAIL() << "rank 0 reads nothing that lands";
}

TEST(PacketCheck, MemoryThatARankDoesNotReachIsRefused) {
  auto shot = packets_of("one_shot", CollectiveKind::all_reduce, 4_KiB, 4);
  shot.peer_access = halves(4);
  EXPECT_NE(shot.verdict().find("which it does not reach"), std::string::npos) << shot.verdict();
  EXPECT_FALSE(shot.packets.fits(shot.peer_access));
}

// A ring of links in one direction, without hosts: no token comes back, so packets are neither chosen nor proved; slices are.
TEST(PacketCheck, WhereNothingComesBackThereAreNoPackets) {
  Topology::Builder builder("one way");
  std::vector<NodeId> gpus;
  for (int g = 0; g < 3; ++g) gpus.push_back(builder.add_node({.name = "g" + std::to_string(g)}));
  for (std::size_t g = 0; g < 3; ++g) builder.add_link({.from = gpus[g], .to = gpus[(g + 1) % 3], .bandwidth = GBps(1)});
  const auto machine = *std::move(builder).build();
  const PeerAccess access(machine);
  EXPECT_FALSE(access.connected(Rank{1}, Rank{0}));
  EXPECT_FALSE(access.through_host(Rank{1}, Rank{0}));
  auto schedule = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3, Rank{0}), 3);
  const auto chunk = schedule.add_chunk({0, 1, 0});
  schedule.copy(Rank{0}, input(Rank{0}, chunk), output(Rank{0}, chunk));
  schedule.copy(Rank{1}, input(Rank{0}, chunk), output(Rank{1}, chunk));
  schedule.copy(Rank{2}, output(Rank{1}, chunk), output(Rank{2}, chunk));
  const auto plan = *std::move(schedule).build();
  const auto proof = *verify(machine, plan);
  auto program = *lower(plan, proof, {.elements = 1024}, {.protocol = Protocol::ll}, access);
  EXPECT_FALSE(program.packets);
  EXPECT_TRUE(check(machine, program));
  program.packets = std::make_shared<const PacketProgram>(make_packet_program(program, access, PacketWire::ll));
  const auto proved = check(machine, program);
  ASSERT_FALSE(proved);
  EXPECT_NE(proved.error().message.find("to which there is no way"), std::string::npos) << proved.error().message;
}

TEST(PacketCheck, AnItemLoadedTogetherWithOneThatWritesWhatItReadsIsRefused) {
  // Rank 0's sum goes to its output and is read there again.
  auto ring = packets_of("ring", CollectiveKind::all_reduce, 4_KiB, 2);
  auto& items = ring.packets.ranks[0];
  auto again = items.back();
  ASSERT_TRUE(again.destinations.size() == 1 && again.destinations[0].place == PacketPlace::memory);
  again.sources = again.destinations;
  items.push_back(again);
  EXPECT_EQ(ring.verdict(), "proved");
  items.back().joins = true;
  EXPECT_NE(ring.verdict().find("is loaded before item"), std::string::npos) << ring.verdict();
}

TEST(PacketCheck, ProgramsAreCheckedWithTheirPackets) {
  const auto machine = test::one_switch(3);
  auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 4_KiB);
  auto packets = make_packet_program(program, {}, PacketWire::ll);
  packets.ranks[1].pop_back();
  program.packets = std::make_shared<const PacketProgram>(packets);
  const auto checked = check(machine, program);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::verification_failed);
}

// Of 40 ranks each has more items than one thread's code holds.
TEST(PacketCheck, ProvesColumnsOfItems) {
  for (const auto wire : {PacketWire::ll128, PacketWire::lamport}) {
    for (const auto* planner : {"two_shot", "ring"}) {
      for (const auto size : {4100_B, 65540_B}) {
        auto some = packets_of(planner, CollectiveKind::all_reduce, size, 40, wire);
        EXPECT_GT(some.packets.columns, 1);
        EXPECT_EQ(some.verdict(), "proved") << planner << ' ' << size.count();
        for (const int columns : {7, 1}) {
          some.packets = in_columns(std::move(some.packets), columns);
          EXPECT_EQ(some.packets.columns, columns);
          EXPECT_EQ(some.verdict(), "proved") << planner << ' ' << size.count();
        }
      }
    }
  }
  // A column has a thread for each packet of the longest item, in whole blocks: 3,278 packets are 26 of the 432 blocks that an A100 has room for.
  EXPECT_EQ(packets_of("two_shot", CollectiveKind::all_reduce, 1_MiB, 40).packets.columns, 16);
  EXPECT_EQ(packets_of("two_shot", CollectiveKind::all_reduce, 4_KiB, 16).packets.columns, 1);
}

// Who pulls lets others read a sum in memory: by the column that has stored it, and no other.
TEST(PacketCheck, AnItemInAnotherColumnThanWhatItReadsIsRefused) {
  const auto machine = test::one_switch(40);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce, {{"mode", "pull"}});
  auto program = test::lowered(machine, plan.schedule, 64_KiB);
  auto packets = make_packet_program(program, PeerAccess{}, PacketWire::ll);
  const Packets pulled{std::move(program), std::move(packets), {}};
  ASSERT_EQ(pulled.verdict(), "proved");
  int refused = 0;
  for (std::size_t i = 0; i < pulled.packets.ranks[3].size(); ++i) {
    auto other = pulled;
    auto& item = other.item(3, i);
    if (!item.sends() || item.sources[0].place != PacketPlace::memory || item.sources[0].buffer != Buffer::output) continue;
    item.column = (item.column + 1) % other.packets.columns;
    std::ranges::stable_sort(other.packets.ranks[3], {}, &PacketItem::column);
    for (auto& each : other.packets.ranks[3]) each.joins = false;
    EXPECT_NE(other.verdict(), "proved") << "item " << i;
    ++refused;
  }
  EXPECT_GT(refused, 0);
  auto beyond = pulled;
  beyond.packets.ranks[3].back().column = beyond.packets.columns;
  EXPECT_NE(beyond.verdict().find("is in column"), std::string::npos) << beyond.verdict();
}

}  // namespace
}  // namespace p2plab::packets_test
