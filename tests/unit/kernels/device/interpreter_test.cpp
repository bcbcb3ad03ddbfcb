// SPDX-License-Identifier: Apache-2.0
// The GPU kernels' interpreters, from the same source, on CPU threads: every planner's programs give the contract's results, call after call.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>

#include "device/arithmetic.cuh"
#include "support/emulation/emulation.h"
#include "support/emulation/fixed_shape.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::interpreter_test {
namespace {

using test::Emulation;
using Float = device::Fixed<device::Float, ReduceOp::sum>;
using Int = device::Fixed<device::Whole<std::int32_t>, ReduceOp::sum>;

std::string about(const Plan& plan, int n, std::int64_t elements) {
  return plan.planner + " " + std::string{to_string(plan.schedule.collective().kind)} + ", " + std::to_string(n) + " ranks, " +
         std::to_string(elements) + " elements";
}

// Every planner, collective and size on machines of 1 to 5 ranks.
template <class Body>
void for_every_plan(bool in_place, const std::vector<int>& ranks, const std::vector<std::int64_t>& sizes, Body body) {
  const auto planners = builtin_planners();
  for (const int n : ranks) {
    const auto machine = test::one_switch(n);
    for (const auto kind : all_collective_kinds()) {
      // These two give and take different blocks, so they cannot share one buffer.
      if (in_place && (kind == CollectiveKind::all_to_all || kind == CollectiveKind::send_receive)) continue;
      for (const auto& entry : planners.entries()) {
        for (const auto elements : sizes) {
          const Payload payload{.elements = elements, .type = DataType::float32};
          auto plan = test::plan_on(machine, entry.name, make_collective(kind, n, Rank{n - 1}), {}, {.payload = payload, .in_place = in_place});
          if (!plan) continue;
          SCOPED_TRACE(about(*plan, n, elements));
          body(machine, *plan, payload);
        }
      }
    }
  }
}

TEST(PacketInterpreter, GivesEveryContractsResultsCallAfterCall) {
  for_every_plan(false, {1, 2, 3, 5}, {0, 1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation flagged(machine, plan, payload, {}, false);
    flagged.prepare_packets<device::LlWire, Float>(1);
    Emulation lamport(machine, plan, payload, {}, false);
    lamport.prepare_packets<device::LamportWire<4>, Float>(2, 3);
    for (int c = 0; c < 4; ++c) {
      EXPECT_EQ(flagged.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(lamport.call<float>(c), 0) << "call " << c;
    }
  });
}

TEST(PacketInterpreter, IsRightInPlace) {
  for_every_plan(true, {2, 5}, {1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {}, true);
    emulation.prepare_packets<device::LlWire, Float>(2);
    for (int c = 0; c < 4; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

TEST(PacketInterpreter, CountsOnWhereEpochsStartAgain) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 50, .type = DataType::int32}, {}, false);
  emulation.first_call = args::epoch_limit - 2;
  emulation.prepare_packets<device::LlWire, Int>(1);
  for (int c = 0; c < 5; ++c) EXPECT_EQ(emulation.call<std::int32_t>(c), 0) << "call " << c;
}

// What the generator writes of a two-shot all-reduce of three ranks is what the next test compiles.
TEST(SpecialCode, SaysOfAProgramWhatTheTestsShapeSays) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 77, .type = DataType::float32}, {}, false);
  emulation.prepare_fixed<device::LamportWire<4>, Float, test::Shape>(1);
  std::ifstream file(P2PLAB_SOURCE_DIR "/tests/support/emulation/fixed_shape.h");
  std::ostringstream text;
  text << file.rdbuf();
  for (std::size_t rank = 0; rank < 3; ++rank) {
    ASSERT_TRUE(can_specialise(emulation.linked_packets(rank)));
    const auto written = shape_source(emulation.linked_packets(rank), {.choice = {}, .odd = true, .recorded = true});
    EXPECT_NE(text.str().find(written), std::string::npos) << written;
  }
}

TEST(SpecialCode, GivesTheContractsResultsCallAfterCall) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  for (const std::int64_t elements : {13, 77, 96}) {
    SCOPED_TRACE(elements);
    const Payload payload{.elements = elements, .type = DataType::float32};
    Emulation strided(machine, plan, payload, {}, false);
    strided.prepare_fixed<device::LamportWire<4>, Float, test::Shape>(2, 3);
    Emulation flagged(machine, plan, payload, {}, false);
    flagged.prepare_fixed<device::LlWire, Float, test::Shape>(1, 2);
    for (int c = 0; c < 5; ++c) {
      EXPECT_EQ(strided.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(flagged.call<float>(c), 0) << "call " << c;
    }
  }
  // 32 elements a rank, eight packets, one a block.
  Emulation once(machine, plan, {.elements = 96, .type = DataType::float32}, {}, false);
  once.prepare_fixed<device::LamportWire<4>, Float, test::OnceShape>(8);
  for (int c = 0; c < 5; ++c) EXPECT_EQ(once.call<float>(c), 0) << "call " << c;
}

TEST(SliceInterpreter, GivesEveryContractsResultsCallAfterCall) {
  for_every_plan(false, {1, 2, 3, 5}, {0, 1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation whole(machine, plan, payload, {}, false);
    whole.prepare_slices<Float>();
    Emulation sliced(machine, plan, payload, {.blocks_per_lane = 2, .slice = Bytes{16}}, false);
    sliced.prepare_slices<Float>();
    for (int c = 0; c < 2; ++c) {
      EXPECT_EQ(whole.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(sliced.call<float>(c), 0) << "call " << c;
    }
  });
}

// Shares that begin at odd elements, in slices long enough to have whole vectors.
TEST(SliceInterpreter, MovesLongUnalignedShares) {
  for_every_plan(false, {3}, {2053}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {.blocks_per_lane = 2, .slice = Bytes{1024}}, false);
    emulation.prepare_slices<Float>();
    for (int c = 0; c < 2; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

TEST(SliceInterpreter, IsRightInPlace) {
  for_every_plan(true, {3}, {1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {.blocks_per_lane = 3, .slices = 4, .lane_per_step = true}, true);
    emulation.prepare_slices<Float>();
    for (int c = 0; c < 2; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

// Pieces are up to 32 KiB and flags lag behind by two of them: one piece a slice and many, ends that are no vector, several parts.
TEST(BulkInterpreter, GivesEveryContractsResultsCallAfterCall) {
  for_every_plan(false, {2, 3}, {1, 77, 2051}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {.blocks_per_lane = 2, .slice = Bytes{2048}}, false);
    emulation.prepare_slices<Float>(true);
    for (int c = 0; c < 2; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

TEST(BulkInterpreter, KeepsManyPiecesOnTheWay) {
  const auto machine = test::one_switch(3);
  const Payload payload{.elements = 150001, .type = DataType::float32};
  for (const auto* name : {"ring", "two_shot", "one_shot"}) {
    for (const bool in_place : {false, true}) {
      const auto collective = make_collective(CollectiveKind::all_reduce, 3);
      const auto plan = test::plan_on(machine, name, collective, {}, {.payload = payload, .in_place = in_place});
      ASSERT_TRUE(plan) << name;
      for (const Bytes slice : {Bytes{0}, Bytes{32 << 10}, Bytes{100000}}) {
        SCOPED_TRACE(fmt::format("{}, slices of {} bytes{}", name, slice.count(), in_place ? ", in place" : ""));
        Emulation emulation(machine, *plan, payload, {.blocks_per_lane = 2, .slice = slice}, in_place);
        emulation.prepare_slices<Float>(true);
        EXPECT_EQ(emulation.call<float>(0), 0);
      }
    }
  }
}

TEST(SliceInterpreter, CountsOnWhereFlagsWrapAround) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "ring", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 200, .type = DataType::float32}, {.blocks_per_lane = 2, .slice = Bytes{64}}, false);
  emulation.first_call = 0xffffffffU - 1;
  emulation.prepare_slices<Float>();
  for (int c = 0; c < 4; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
}

// Every byte of an item belongs to exactly one packet, and every packet's bytes lie within its line.
TEST(Ll128Wire, CoversEveryByteOnce) {
  using Wire = device::Ll128Wire;
  std::vector<int> covered(1200);
  for (std::uint32_t position = 0; position < 80; ++position) {
    EXPECT_LE(Wire::start(position), Wire::offset(position));
    EXPECT_LE(Wire::offset(position) + static_cast<std::uint64_t>(Wire::bytes(position)), Wire::start(position) + Wire::line_bytes);
    for (int b = 0; b < Wire::bytes(position); ++b) ++covered[Wire::offset(position) + static_cast<std::uint64_t>(b)];
  }
  EXPECT_TRUE(std::ranges::all_of(covered, [](int times) { return times == 1; }));
  EXPECT_EQ(packets_of(PacketWire::ll128, 1), 8);
  EXPECT_EQ(packets_of(PacketWire::ll128, 121), 16);
  EXPECT_EQ(whole_packets_of(PacketWire::ll128, 239), 8);
}

TEST(PacketInterpreter, CrossesHostMemoryWhereRanksDoNotReachEachOther) {
  const auto machine = test::pairs_across_a_host();
  const PeerAccess peer_access(machine);
  // By packets every plan runs all the same.
  for (const auto* planner : {"one_shot", "two_shot", "ring", "hierarchical"}) {
    SCOPED_TRACE(planner);
    const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
    ASSERT_TRUE(plan) << describe(plan.error());
    Emulation emulation(machine, *plan, {.elements = 77, .type = DataType::float32}, {}, false);
    EXPECT_FALSE(peer_access.covers(emulation.program()));
    emulation.prepare_packets<device::LamportWire<4>, Float>(1);
    for (int c = 0; c < 4; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  }
}

TEST(Interpreters, EndInAReportIfARankNeverStarts) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  const Payload payload{.elements = 50, .type = DataType::float32};
  Emulation packets(machine, plan, payload, {}, false);
  packets.timeout = 50'000'000;
  packets.missing_rank = 2;
  packets.prepare_packets<device::LlWire, Float>(1);
  EXPECT_GT(packets.call<float>(0), 0);
  EXPECT_EQ(packets.report(0).hung + packets.report(1).hung > 0, true);
  Emulation slices(machine, plan, payload, {}, false);
  slices.timeout = 50'000'000;
  slices.missing_rank = 2;
  slices.prepare_slices<Float>();
  EXPECT_GT(slices.call<float>(0), 0);
  EXPECT_EQ(slices.report(0).hung + slices.report(1).hung > 0, true);
  Emulation bulk(machine, plan, {.elements = 100000, .type = DataType::float32}, {}, false);
  bulk.timeout = 50'000'000;
  bulk.missing_rank = 2;
  bulk.prepare_slices<Float>(true);
  EXPECT_GT(bulk.call<float>(0), 0);
  EXPECT_EQ(bulk.report(0).hung + bulk.report(1).hung > 0, true);
}

}  // namespace
}  // namespace p2plab::interpreter_test
