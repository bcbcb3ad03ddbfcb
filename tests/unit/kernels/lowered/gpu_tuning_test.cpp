// SPDX-License-Identifier: Apache-2.0
// Which form a plan takes on GPUs, by collective, size, alignment and ranks.
#include "p2plab/run/gpu_tuning.h"

#include <gtest/gtest.h>

#include "lowered/specialise.h"
#include "p2plab/program/lower.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::gpu_tuning_test {
namespace {

// A planner's plan for GPUs behind one switch, and its tuning for any payload.
struct Tuned {
  Topology machine;
  Plan plan;
  Proof proof;
  Tuned(int ranks, const char* planner, CollectiveKind kind)
      : machine(test::one_switch(ranks)), plan(*test::plan_on(machine, planner, kind)), proof(*verify(machine, plan.schedule)) {}
  Tuning operator()(const Payload& payload) const { return gpu_tuning(plan.schedule, proof, payload); }
  Tuning staged(const Payload& payload) const { return staged_gpu_tuning(plan.schedule, proof, payload); }
};

TEST(GpuTuning, TakesPacketsWhileTheyAreTheFastestAndAsManyPartsAsFitAbove) {
  const Tuned plan(4, "two_shot", CollectiveKind::all_reduce);
  const auto tuning = [&](Bytes size, DataType type) { return plan({.elements = size.count() / size_of(type), .type = type}); };
  EXPECT_EQ(tuning(1_KiB, DataType::float16).protocol, Protocol::lamport);
  EXPECT_EQ(tuning(64_MiB, DataType::float32).protocol, Protocol::lamport);  // chunks of 16 MiB
  EXPECT_EQ(tuning(1_MiB, DataType::float16).blocks_per_lane, 32);           // chunks of 256 KiB in parts of one round of packets
  EXPECT_EQ(tuning(1_MiB, DataType::float16).slice, 8_KiB);
  const auto large = tuning(65_MiB, DataType::bfloat16);
  EXPECT_EQ(large.protocol, Protocol::simple);
  EXPECT_EQ(large.blocks_per_lane, 32);  // a lane for each of three peers, one for the sum: 128 blocks
  EXPECT_EQ(large.slice, 128_KiB);
  const Tuned ring(4, "ring", CollectiveKind::all_reduce);
  for (const auto& [size, protocol] : {std::pair{48_MiB, Protocol::lamport}, std::pair{49_MiB, Protocol::simple}})
    EXPECT_EQ(ring({.elements = size.count() / 2, .type = DataType::float16}).protocol, protocol);
}

TEST(GpuTuning, GathersWithFewBlocks) {
  const Tuned plan(4, "ring", CollectiveKind::all_gather);
  const auto tuning = [&](Bytes size) { return plan({.elements = size.count() / 2, .type = DataType::float16}); };
  EXPECT_EQ(tuning(64_MiB).protocol, Protocol::simple);
  EXPECT_EQ(tuning(64_MiB).blocks_per_lane, 128);
  EXPECT_EQ(tuning(128_MiB).blocks_per_lane, 64);
  EXPECT_EQ(tuning(128_MiB).slice, 256_KiB);
  const Tuned pair(2, "ring", CollectiveKind::all_gather);
  EXPECT_EQ(pair({.elements = 64 << 20, .type = DataType::float16}).blocks_per_lane, 256);
}

TEST(GpuTuning, LetsOnlySumsOfFloatingPointBeTheirOwnFlags) {
  const Tuned plan(4, "two_shot", CollectiveKind::all_gather);
  const auto tuning = [&](Bytes size) { return plan({.elements = size.count() / 4, .type = DataType::float32}); };
  EXPECT_EQ(tuning(256_KiB).protocol, Protocol::ll);  // chunks of 64 KiB
  EXPECT_EQ(tuning(257_KiB).protocol, Protocol::ll128);
  const Tuned reduce(4, "two_shot", CollectiveKind::all_reduce);
  EXPECT_EQ(reduce({.elements = 256, .type = DataType::int32}).protocol, Protocol::ll);
  EXPECT_EQ(reduce({.elements = 256, .type = DataType::float32, .op = ReduceOp::max}).protocol, Protocol::ll);
}

Protocol tuned_protocol(int ranks, const char* planner, CollectiveKind kind, Bytes size) {
  const Tuned plan(ranks, planner, kind);
  return plan({.elements = size.count() / 2, .type = DataType::float16}).protocol;
}

TEST(GpuTuning, KeepsToFlagsLongerAndToLinesShorterWhereSharesBeginAnywhere) {
  using enum CollectiveKind;
  EXPECT_EQ(tuned_protocol(3, "two_shot", all_gather, 768_KiB), Protocol::ll128);
  EXPECT_EQ(tuned_protocol(3, "two_shot", all_gather, 767_KiB), Protocol::ll);
  EXPECT_EQ(tuned_protocol(3, "two_shot", all_gather, 16_MiB), Protocol::ll128);
  EXPECT_EQ(tuned_protocol(3, "pairwise", all_to_all, 12_MiB), Protocol::ll128);
  EXPECT_EQ(tuned_protocol(3, "pairwise", all_to_all, 16_MiB), Protocol::simple);
}

TEST(GpuTuning, TakesSlicesSoonerWhereThereIsNoChainToFill) {
  using enum CollectiveKind;
  EXPECT_EQ(tuned_protocol(2, "ring", broadcast, 32_MiB), Protocol::simple);
  EXPECT_NE(tuned_protocol(4, "ring", broadcast, 32_MiB), Protocol::simple);
  EXPECT_EQ(tuned_protocol(2, "ring", reduce_scatter, 256_MiB), Protocol::lamport);
  EXPECT_EQ(tuned_protocol(2, "ring", all_reduce, 32_MiB), Protocol::lamport);
  EXPECT_EQ(tuned_protocol(2, "ring", reduce, 64_MiB), Protocol::lamport);
}

// Slices of staged buffers would be copied before and after.
TEST(GpuTuning, KeepsToPacketsForStagedBuffers) {
  for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::broadcast}) {
    const Tuned plan(2, "ring", kind);
    const Payload payload{.elements = 192 << 20, .type = DataType::float16};
    EXPECT_EQ(plan(payload).protocol, Protocol::simple);
    EXPECT_NE(plan.staged(payload).protocol, Protocol::simple);
  }
}

// Chunks of 4 MiB are worth packets only by code made for the program: the longer rings here are too long for it.
TEST(GpuTuning, AsksWhetherCodeCanBeMadeWhereItIsMade) {
  for (int ranks = 7; ranks <= 11; ++ranks) {
    const Tuned ring(ranks, "ring", CollectiveKind::all_reduce);
    const Payload payload{.elements = ranks * (std::int64_t{1} << 21), .type = DataType::float16};  // chunks of 4 MiB
    const auto program = *lower(ring.plan.schedule, ring.proof, payload, {.protocol = Protocol::lamport});
    EXPECT_EQ(ring(payload).protocol == Protocol::lamport, can_specialise(*program.packets)) << ranks;
    EXPECT_EQ(can_specialise(*program.packets), ranks < 9) << ranks;
  }
}

}  // namespace
}  // namespace p2plab::gpu_tuning_test
