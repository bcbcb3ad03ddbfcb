// The GPU kernels' interpreters, from the same source, on CPU threads: every planner's programs give the contract's results, call after call.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "device/arithmetic.cuh"
#include "p2plab/gpu_tuning.h"
#include "support/emulation.h"
#include "support/fixed_shape.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab {
namespace {

using testing::Emulation;
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
    const auto machine = testing::one_switch(n);
    for (const auto kind : all_collective_kinds()) {
      // These two give and take different blocks, so they cannot share one buffer.
      if (in_place && (kind == CollectiveKind::all_to_all || kind == CollectiveKind::send_receive)) continue;
      for (const auto& entry : planners.entries()) {
        for (const auto elements : sizes) {
          const Payload payload{.elements = elements, .type = DataType::float32};
          auto plan = testing::plan_on(machine, entry.name, make_collective(kind, n, Rank{n - 1}), {}, {.payload = payload, .in_place = in_place});
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
    flagged.prepare_packets<device::FlaggedWire, Float>(1);
    Emulation sentinel(machine, plan, payload, {}, false);
    sentinel.prepare_packets<device::SentinelWire<4>, Float>(2, 3);
    for (int c = 0; c < 4; ++c) {
      EXPECT_EQ(flagged.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(sentinel.call<float>(c), 0) << "call " << c;
    }
  });
}

TEST(PacketInterpreter, IsRightInPlace) {
  for_every_plan(true, {2, 5}, {1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {}, true);
    emulation.prepare_packets<device::FlaggedWire, Float>(2);
    for (int c = 0; c < 4; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

TEST(PacketInterpreter, CountsOnWhereEpochsStartAgain) {
  const auto machine = testing::one_switch(3);
  const auto plan = *testing::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 50, .type = DataType::int32}, {}, false);
  emulation.first_call = image::epoch_limit - 2;
  emulation.prepare_packets<device::FlaggedWire, Int>(1);
  for (int c = 0; c < 5; ++c) EXPECT_EQ(emulation.call<std::int32_t>(c), 0) << "call " << c;
}

// What the generator writes of a two-shot all-reduce of three ranks is what the next test compiles.
TEST(SpecialCode, SaysOfAProgramWhatTheTestsShapeSays) {
  const auto machine = testing::one_switch(3);
  const auto plan = *testing::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 77, .type = DataType::float32}, {}, false);
  emulation.prepare_fixed<device::SentinelWire<4>, Float, testing::Shape>(1);
  std::ifstream file(P2PLAB_SOURCE_DIR "/tests/support/fixed_shape.h");
  std::ostringstream text;
  text << file.rdbuf();
  for (std::size_t rank = 0; rank < 3; ++rank) {
    ASSERT_TRUE(can_specialise(emulation.packet_image(rank)));
    const auto written = shape_source(emulation.packet_image(rank), true, false);
    EXPECT_NE(text.str().find(written), std::string::npos) << written;
  }
}

TEST(SpecialCode, GivesTheContractsResultsCallAfterCall) {
  const auto machine = testing::one_switch(3);
  const auto plan = *testing::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  for (const std::int64_t elements : {13, 77, 96}) {
    SCOPED_TRACE(elements);
    const Payload payload{.elements = elements, .type = DataType::float32};
    Emulation strided(machine, plan, payload, {}, false);
    strided.prepare_fixed<device::SentinelWire<4>, Float, testing::Shape>(2, 3);
    Emulation flagged(machine, plan, payload, {}, false);
    flagged.prepare_fixed<device::FlaggedWire, Float, testing::Shape>(1, 2);
    for (int c = 0; c < 5; ++c) {
      EXPECT_EQ(strided.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(flagged.call<float>(c), 0) << "call " << c;
    }
  }
  // 32 elements a rank, eight packets, one a block.
  Emulation once(machine, plan, {.elements = 96, .type = DataType::float32}, {}, false);
  once.prepare_fixed<device::SentinelWire<4>, Float, testing::OnceShape>(8);
  for (int c = 0; c < 5; ++c) EXPECT_EQ(once.call<float>(c), 0) << "call " << c;
}

TEST(SliceInterpreter, GivesEveryContractsResultsCallAfterCall) {
  for_every_plan(false, {1, 2, 3, 5}, {0, 1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation whole(machine, plan, payload, {}, false);
    whole.prepare_slices<Float>();
    Emulation sliced(machine, plan, payload, {.parts = 2, .slice = Bytes{16}}, false);
    sliced.prepare_slices<Float>();
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(whole.call<float>(c), 0) << "call " << c;
      EXPECT_EQ(sliced.call<float>(c), 0) << "call " << c;
    }
  });
}

TEST(SliceInterpreter, IsRightInPlace) {
  for_every_plan(true, {3}, {1, 77}, [](const Topology& machine, const Plan& plan, const Payload& payload) {
    Emulation emulation(machine, plan, payload, {.parts = 3, .slice = Bytes{32}}, true);
    emulation.prepare_slices<Float>();
    for (int c = 0; c < 3; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
  });
}

TEST(SliceInterpreter, CountsOnWhereFlagsWrapAround) {
  const auto machine = testing::one_switch(3);
  const auto plan = *testing::plan_on(machine, "ring", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 200, .type = DataType::float32}, {.parts = 2, .slice = Bytes{64}}, false);
  emulation.first_call = 0xffffffffU - 1;
  emulation.prepare_slices<Float>();
  for (int c = 0; c < 4; ++c) EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
}

TEST(GpuTuning, TakesPacketsForSmallChunksAndAsManyPartsAsFitForLargeOnes) {
  const auto plan = *testing::plan_on(testing::one_switch(4), "two_shot", CollectiveKind::all_reduce);
  const auto tuning = [&](Bytes size) { return gpu_tuning(plan.schedule, {.elements = size.count() / 2, .type = DataType::float16}); };
  EXPECT_EQ(tuning(64_KiB).protocol, Protocol::ll);  // chunks of 16 KiB
  EXPECT_EQ(tuning(65_KiB).protocol, Protocol::flagless);
  EXPECT_EQ(tuning(8_MiB).protocol, Protocol::flagless);
  const auto large = tuning(64_MiB);
  EXPECT_EQ(large.protocol, Protocol::simple);
  EXPECT_EQ(large.parts, 32);  // a lane for each of three peers, one for the sum: 128 blocks
  EXPECT_EQ(large.slice, 64_KiB);
}

TEST(Interpreters, EndInAReportIfARankNeverStarts) {
  const auto machine = testing::one_switch(3);
  const auto plan = *testing::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  const Payload payload{.elements = 50, .type = DataType::float32};
  Emulation packets(machine, plan, payload, {}, false);
  packets.timeout = 50'000'000;
  packets.missing_rank = 2;
  packets.prepare_packets<device::FlaggedWire, Float>(1);
  EXPECT_GT(packets.call<float>(0), 0);
  EXPECT_EQ(packets.report(0).hung + packets.report(1).hung > 0, true);
  Emulation slices(machine, plan, payload, {}, false);
  slices.timeout = 50'000'000;
  slices.missing_rank = 2;
  slices.prepare_slices<Float>();
  EXPECT_GT(slices.call<float>(0), 0);
  EXPECT_EQ(slices.report(0).hung + slices.report(1).hung > 0, true);
}

}  // namespace
}  // namespace p2plab
