// SPDX-License-Identifier: Apache-2.0
// Programs rewritten packet by packet: who sends what to whom, and where it lands.
#include "p2plab/program/packet_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "p2plab/machine/presets.h"
#include "p2plab/program/packet_traffic.h"
#include "support/machines.h"
#include "support/plans.h"
#include "support/simulated.h"

namespace p2plab::packet_program_test {
namespace {

using Slot = std::tuple<PacketPlace, std::int32_t, std::int64_t>;
Slot slot_of(const PacketOperand& operand) { return {operand.place, operand.rank.value, operand.offset}; }

PacketProgram packets_of_plan(const Topology& machine, const char* planner, CollectiveKind kind, Bytes size, PacketWire wire = PacketWire::ll) {
  return make_packet_program(test::planned(machine, planner, kind, size), PeerAccess(machine), wire);
}

TEST(PeerAccess, EndsAtTheHost) {
  const auto machine = test::pairs_across_a_host();
  const PeerAccess peer_access(machine);
  EXPECT_TRUE(peer_access.connected(Rank{0}, Rank{1}));
  EXPECT_TRUE(peer_access.connected(Rank{2}, Rank{2}));
  EXPECT_FALSE(peer_access.connected(Rank{1}, Rank{2}));
  EXPECT_TRUE(peer_access.whole_lines());
}

TEST(PeerAccess, PassesAHostThatForwardsIt) {
  const auto machine = *make_preset("pcie-server", {{"gpus", "2"}, {"switches", "0"}, {"sockets", "1"}, {"peers", "on"}});
  EXPECT_TRUE(PeerAccess(machine).connected(Rank{0}, Rank{1}));
  EXPECT_FALSE(PeerAccess(machine).whole_lines());
  const auto without = *make_preset("pcie-server", {{"gpus", "2"}, {"switches", "0"}, {"sockets", "1"}});
  EXPECT_FALSE(PeerAccess(without).connected(Rank{0}, Rank{1}));
}

TEST(PacketProgram, WritesEachLandingSlotOnceACallAndReadsItByOneRank) {
  for (const auto& machine : {test::one_switch(4), test::pairs_across_a_host()}) {
    for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
      const auto program = packets_of_plan(machine, planner, CollectiveKind::all_reduce, 4_KiB);
      std::set<Slot> written;
      std::map<Slot, std::size_t> reader;
      for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        for (const auto& item : program.ranks[r]) {
          for (const auto& to : item.destinations) {
            if (is_landing(to)) {
              EXPECT_TRUE(written.insert(slot_of(to)).second) << planner;
            }
          }
          for (const auto& from : item.sources) {
            if (is_landing(from)) {
              EXPECT_EQ(reader.try_emplace(slot_of(from), r).first->second, r) << planner;
            }
          }
        }
      }
      for (const auto& [slot, rank] : reader) EXPECT_TRUE(written.contains(slot)) << planner;
      EXPECT_FALSE(written.empty());
    }
  }
}

TEST(PacketProgram, ReadsOnlyItsOwnMemoryAndWhatLands) {
  const auto machine = test::one_switch(4);
  for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
    const auto program = packets_of_plan(machine, planner, CollectiveKind::all_reduce, 4_KiB);
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
      for (const auto& item : program.ranks[r]) {
        for (const auto& from : item.sources) EXPECT_EQ(from.rank.index(), r) << planner;
        for (const auto& to : item.destinations) EXPECT_TRUE(is_landing(to) || to.rank.index() == r) << planner;
      }
    }
  }
}

TEST(PacketProgram, CrossesTheHostOnlyBetweenRanksThatDoNotReachEachOther) {
  const auto machine = test::pairs_across_a_host();
  const auto program = packets_of_plan(machine, "one_shot", CollectiveKind::all_reduce, 4_KiB);
  for (std::size_t r = 0; r < program.ranks.size(); ++r) {
    for (const auto& item : program.ranks[r]) {
      for (const auto& to : item.destinations) {
        if (is_landing(to)) {
          EXPECT_EQ(to.place == PacketPlace::host_landing, to.rank.index() / 2 != r / 2);
        }
      }
    }
  }
}

// The root of a broadcast hears nothing of its readers: each tells it by a token that it has begun.
TEST(PacketProgram, SendsATokenOnlyWhereNoDataTellsThatAReaderHasBegun) {
  const auto tokens = [](const PacketProgram& program) {
    std::size_t count = 0;
    for (const auto& items : program.ranks) {
      count += static_cast<std::size_t>(
          std::ranges::count_if(items, [](const PacketItem& item) { return !item.sources.empty() && item.sources[0].place == PacketPlace::token; }));
    }
    return count;
  };
  const auto machine = test::one_switch(4);
  EXPECT_EQ(tokens(packets_of_plan(machine, "one_shot", CollectiveKind::all_reduce, 4_KiB)), 0U);
  EXPECT_EQ(tokens(packets_of_plan(machine, "two_shot", CollectiveKind::all_reduce, 4_KiB)), 0U);
  EXPECT_EQ(tokens(packets_of_plan(machine, "one_shot", CollectiveKind::broadcast, 4_KiB)), 3U);
}

TEST(PacketProgram, SaysOfEachMessageWhoSendsAndWhoReadsIt) {
  const auto program = packets_of_plan(test::one_switch(4), "ring", CollectiveKind::all_reduce, 4_KiB);
  std::vector<int> sent(program.messages.size());
  std::vector<int> read(program.messages.size());
  for (std::size_t r = 0; r < program.ranks.size(); ++r) {
    for (const auto& item : program.ranks[r]) {
      for (const auto& to : item.destinations) {
        if (!is_landing(to)) continue;
        EXPECT_EQ(program.messages[static_cast<std::size_t>(to.message)].from.index(), r);
        ++sent[static_cast<std::size_t>(to.message)];
      }
      for (const auto& from : item.sources) {
        if (!is_landing(from)) continue;
        EXPECT_EQ(program.messages[static_cast<std::size_t>(from.message)].to.index(), r);
        ++read[static_cast<std::size_t>(from.message)];
      }
    }
  }
  EXPECT_TRUE(std::ranges::all_of(sent, [](int times) { return times == 1; }));
  EXPECT_TRUE(std::ranges::all_of(read, [](int times) { return times >= 1; }));
}

// All-gather: the copies of what lands may be loaded together, but not with what the rank itself still has to send.
TEST(PacketProgram, LoadsNothingThatLandsTogetherWithWhatIsStillToBeSent) {
  for (const auto* planner : {"one_shot", "two_shot", "ring", "tree"}) {
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast}) {
      const auto plan = test::plan_on(test::one_switch(4), planner, kind);
      if (!plan) continue;
      const auto program = packets_of_plan(test::one_switch(4), planner, kind, 4_KiB);
      for (const auto& items : program.ranks) {
        bool sends = false;
        for (const auto& item : items) {
          if (!item.joins) sends = false;
          EXPECT_FALSE(item.joins && (item.adds() || (item.lands() && sends))) << planner;
          sends = sends || item.sends();
        }
      }
    }
  }
}

TEST(ChoosePackets, FollowsTheProtocolThePayloadAndWhoReachesWhom) {
  const auto wire = [](const Topology& machine, CollectiveKind kind, const Payload& payload, Protocol protocol) -> std::optional<PacketWire> {
    const auto plan = *test::plan_on(machine, "two_shot", kind);
    const auto program = *lower(plan.schedule, *verify(machine, plan.schedule), payload, {.protocol = protocol}, PeerAccess(machine));
    return program.packets ? std::optional(program.packets->wire) : std::nullopt;
  };
  using enum CollectiveKind;
  const auto nvlink = *make_preset("hgx-h200", {{"gpus", "4"}});
  const auto pairs = test::pairs_across_a_host();
  const Payload half{.elements = 1024, .type = DataType::float16};
  const Payload whole{.elements = 1024, .type = DataType::int32};
  EXPECT_EQ(wire(nvlink, all_reduce, half, Protocol::simple), std::nullopt);
  EXPECT_EQ(wire(nvlink, all_reduce, half, Protocol::copy), std::nullopt);
  EXPECT_EQ(wire(nvlink, all_reduce, half, Protocol::lamport), PacketWire::lamport);
  EXPECT_EQ(wire(nvlink, all_reduce, whole, Protocol::lamport), PacketWire::ll);  // any bits may be a value
  EXPECT_EQ(wire(nvlink, all_gather, half, Protocol::lamport), PacketWire::ll);   // moved data keeps its -0.0
  EXPECT_EQ(wire(nvlink, all_gather, half, Protocol::ll128), PacketWire::ll128);
  // Some ranks meet only in host memory: no slice goes there, nor a line as a whole.
  EXPECT_EQ(wire(pairs, all_reduce, half, Protocol::simple), PacketWire::lamport);
  EXPECT_EQ(wire(pairs, all_gather, half, Protocol::simple), PacketWire::ll);
  EXPECT_EQ(wire(pairs, all_gather, half, Protocol::ll128), PacketWire::ll);
}

TEST(ChoosePackets, FitOnlyGpusThatReachWhatTheyWereMadeFor) {
  const auto machine = test::pairs_across_a_host();
  const PeerAccess here(machine);
  const auto program = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 4_KiB, {}, {.protocol = Protocol::ll});
  EXPECT_FALSE(program.packets->fits(here));
  EXPECT_TRUE(program.packets->fits({}));
  EXPECT_TRUE(choose_packets(program, here)->fits(here));
}

TEST(PacketWire, CountsBytesOnTheWire) {
  EXPECT_EQ(wire_bytes(PacketWire::ll, Bytes{9}), Bytes{32});
  EXPECT_EQ(wire_bytes(PacketWire::ll128, Bytes{121}), Bytes{256});
  EXPECT_EQ(wire_bytes(PacketWire::lamport, Bytes{17}), Bytes{32});
  EXPECT_EQ(wire_bytes(Protocol::simple, Bytes{17}), Bytes{17});
}

// Tokens are not data.
TEST(PacketTraffic, IsWhatTheMessagesOfThePacketsCarry) {
  const auto planners = builtin_planners();
  for (const auto& machine : {test::one_switch(5), test::pairs_across_a_host(), *make_preset("hgx-a100", {{"nodes", "2"}})}) {
    for (const auto& planner : planners.entries()) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast, CollectiveKind::all_to_all}) {
        const auto plan = test::plan_on(machine, planner.name, kind);
        if (!plan) continue;
        const auto program = test::planned(machine, planner.name.c_str(), kind, 64_KiB);
        const auto packets = make_packet_program(program, PeerAccess(machine), PacketWire::ll);
        std::vector<std::int64_t> sent(packets.ranks.size());
        std::vector<std::int64_t> sums(packets.ranks.size());
        std::vector<std::int64_t> moves(packets.ranks.size());
        for (std::size_t r = 0; r < sent.size(); ++r) {
          for (const auto& item : packets.ranks[r]) {
            sums[r] += item.adds() ? 1 : 0;
            moves[r] += item.joins ? 0 : 1;
            if (item.is_token()) continue;
            for (const auto& to : item.destinations) sent[r] += is_landing(to) ? item.bytes : 0;
          }
        }
        const auto counted = packet_traffic(program);
        for (std::size_t r = 0; r < sent.size(); ++r) {
          EXPECT_GE(counted.apart[r], sums[r]) << planner.name << " on " << machine.name() << ", rank " << r;
          EXPECT_LE(counted.apart[r], moves[r]) << planner.name << " on " << machine.name() << ", rank " << r;
          EXPECT_LE(counted.sent[r], sent[r]) << planner.name << " on " << machine.name() << ", rank " << r;
          if (program.memory[r].host == Bytes{0}) {
            EXPECT_EQ(counted.sent[r], sent[r]) << planner.name << " on " << machine.name() << ", rank " << r;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace p2plab::packet_program_test
