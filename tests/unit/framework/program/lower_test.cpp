// SPDX-License-Identifier: Apache-2.0
// Lowering: where bytes lie, which steps share a lane, and that the waits are the fewest that carry the dependencies.
#include <gtest/gtest.h>

#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::lower_test {
namespace {

Topology ring_of(int n) {
  Topology::Builder builder("ring");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, NodeId{(i + 1) % n}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  return *std::move(builder).build();
}

Topology mesh_of(int n) {
  Topology::Builder builder("mesh");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < i; ++j) builder.add_duplex(NodeId{i}, NodeId{j}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  }
  return *std::move(builder).build();
}

// A ring all-gather by pushing: in round k, rank r passes on the block that it got k rounds ago.
Schedule ring_all_gather(int n) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_gather, n), n);
  for (int b = 0; b < n; ++b) builder.add_chunk({b, 1, 0});
  for (int r = 0; r < n; ++r) builder.copy(Rank{r}, input(Rank{r}, ChunkId{r}), output(Rank{r}, ChunkId{r}));
  for (int k = 0; k + 1 < n; ++k) {
    for (int r = 0; r < n; ++r) {
      const ChunkId chunk{(r - k + n) % n};
      builder.copy(Rank{r}, output(Rank{r}, chunk), output(Rank{(r + 1) % n}, chunk));
    }
  }
  return *std::move(builder).build();
}

Program lowered(const Topology& machine, const Schedule& schedule, const Payload& payload, const Tuning& tuning = {}, bool in_place = false) {
  const auto proof = *verify(machine, schedule, {.in_place = in_place});
  return *lower(schedule, proof, payload, tuning);
}

TEST(Lower, CutsBlocksByShareAndChunksByWeightOnSixteenBytes) {
  auto collective = make_collective(CollectiveKind::all_gather, 2);
  collective.shares = {1, 3};
  auto builder = *Schedule::Builder::create(collective, 2);
  builder.add_chunk({0, 1, 0});
  builder.add_chunk({1, 1, 0});
  builder.add_chunk({1, 2, 0});
  const auto schedule = *std::move(builder).build();
  const Payload payload{.elements = 101, .type = DataType::float32};
  EXPECT_EQ(block_elements(collective, schedule.blocks(), payload), (std::vector<std::int64_t>{26, 75}));
  const auto extents = cut(schedule, payload);
  EXPECT_EQ(extents[0].count, 26);
  EXPECT_EQ(extents[1].count, 24);  // 75 / 3 = 25, down to a multiple of 4 floats
  EXPECT_EQ(extents[2].first, 24);
  EXPECT_EQ(extents[2].count, 51);
}

TEST(Lower, AllToAllGivesEachSenderThePayloadOnce) {
  const auto collective = make_collective(CollectiveKind::all_to_all, 3);
  const auto blocks = *contract(collective, 3);
  const auto elements = block_elements(collective, blocks, {.elements = 7, .type = DataType::int8});
  EXPECT_EQ(elements, (std::vector<std::int64_t>{3, 2, 2, 3, 2, 2, 3, 2, 2}));
}

TEST(Lower, InputAndOutputShareMemoryOnlyWhereAllTheirCommonBlocksLieAtOneDistance) {
  // Rank 0 sends to itself, to 1, and to itself again: its output holds the first and the third of its blocks, which no shift makes coincide.
  auto collective = make_collective(CollectiveKind::send_receive, 2);
  collective.pairs = {{Rank{0}, Rank{0}}, {Rank{0}, Rank{1}}, {Rank{0}, Rank{0}}};
  const Payload payload{.elements = 16, .type = DataType::uint8};
  EXPECT_FALSE(BufferLayout(collective, *contract(collective, 2), 2, payload).shares(Rank{0}));
  collective.pairs.pop_back();
  EXPECT_TRUE(BufferLayout(collective, *contract(collective, 2), 2, payload).shares(Rank{0}));
  const auto gather = make_collective(CollectiveKind::all_gather, 2);
  EXPECT_TRUE(BufferLayout(gather, *contract(gather, 2), 2, payload).shares(Rank{1}));
}

TEST(Lower, OneLanePerNeighbourAndOneWaitPerHop) {
  const auto machine = ring_of(4);
  const auto program = lowered(machine, ring_all_gather(4), {.elements = 4096, .type = DataType::float32});
  // Each rank: a local lane (the copy of its own block) and a lane that pushes to the next rank.
  ASSERT_EQ(program.lanes.size(), 8U);
  EXPECT_EQ(program.blocks(), 2);
  for (const auto& instruction : program.instructions) {
    const auto& to = program.destinations(instruction)[0];
    const bool local = to.rank == program.sources(instruction)[0].rank;
    // A push waits for the push that brought the data, or for the local copy of its own block.
    EXPECT_EQ(instruction.wait_count, local ? 0 : 1);
    EXPECT_EQ(instruction.bytes, 4096);
  }
}

TEST(Lower, InPlaceDropsTheCopyOfTheOwnBlock) {
  const auto machine = ring_of(4);
  const auto program = lowered(machine, ring_all_gather(4), {.elements = 4096, .type = DataType::float32}, {}, true);
  EXPECT_EQ(program.lanes.size(), 4U);
  EXPECT_EQ(program.instructions.size(), 12U);
  EXPECT_EQ(program.memory[0].input, Bytes{4096});
  EXPECT_EQ(program.memory[0].output, Bytes{16384});
}

// Each rank sends its input to all others and adds what comes.
Schedule pushed_all_reduce(int n) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, n), n);
  builder.add_chunk({0, 1, 0});
  const ChunkId chunk{0};
  for (int r = 0; r < n; ++r) {
    for (int to = 0; to < n; ++to) {
      if (to != r) builder.copy(Rank{r}, input(Rank{r}, chunk), scratch(Rank{to}, r));
    }
  }
  for (int r = 0; r < n; ++r) {
    std::vector<Location> sources;
    for (int from = 0; from < n; ++from) sources.push_back(from == r ? input(Rank{r}, chunk) : scratch(Rank{r}, from));
    builder.add_step(Rank{r}, sources, std::vector{output(Rank{r}, chunk)});
  }
  return *std::move(builder).build();
}

Result<ProgramProof> checked_in_place(const Topology& machine, Program program) {
  program.in_place = true;
  return check(machine, program);
}

TEST(Lower, AProgramForEitherMemoryHasItsOwnAddressesAndTheOrderOfOne) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = mesh_of(n);
    const auto schedule = pushed_all_reduce(n);
    const auto in_place = verify(machine, schedule, {.in_place = true});
    ASSERT_TRUE(in_place) << n << ": " << in_place.error().message;
    const auto& proof = *in_place;
    for (const auto protocol : {Protocol::simple, Protocol::ll, Protocol::lamport, Protocol::ll128}) {
      const Payload payload{.elements = 5001, .type = DataType::float16};
      const auto plain = *lower(schedule, *verify(machine, schedule), payload, {.protocol = protocol});
      const auto either = *lower(schedule, proof, payload, {.protocol = protocol}, {}, CallerMemory::either);
      EXPECT_FALSE(either.in_place);
      ASSERT_EQ(either.operands.size(), plain.operands.size());
      for (std::size_t i = 0; i < plain.operands.size(); ++i) EXPECT_EQ(either.operands[i].buffer, plain.operands[i].buffer);
      EXPECT_TRUE(check(machine, either)) << n;
      EXPECT_TRUE(checked_in_place(machine, either)) << n;
      // Without its order another lane may send what was overwritten.
      EXPECT_FALSE(checked_in_place(machine, plain)) << n;
    }
  }
}

TEST(Lower, AnEmptyPayloadGivesAnEmptyProgram) {
  const auto machine = ring_of(3);
  EXPECT_TRUE(lowered(machine, ring_all_gather(3), {.elements = 0}).instructions.empty());
}

TEST(Lower, LeavesOutAWaitThatFollowsFromAnother) {
  // 0 writes x to 1; 1 passes it on to 2; 2 adds nothing new by waiting for 0 too, though it then overwrites what 0 had written.
  const auto machine = ring_of(3);
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3), 3);
  builder.add_chunk({});
  const ChunkId c{0};
  builder.add_step(Rank{0}, std::array{input(Rank{0}, c)}, std::array{scratch(Rank{1}, 0), scratch(Rank{2}, 0), output(Rank{0}, c)});
  builder.add_step(Rank{1}, std::array{scratch(Rank{1}, 0)}, std::array{output(Rank{1}, c), output(Rank{2}, c)});
  builder.copy(Rank{2}, output(Rank{2}, c), scratch(Rank{2}, 0));  // after both: reads what 1 wrote, overwrites what 0 wrote
  const auto program = lowered(machine, *std::move(builder).build(), {.elements = 64});
  const auto& last = program.instructions.back();
  ASSERT_EQ(last.wait_count, 1);
  EXPECT_EQ(program.lanes[program.waits_of(last)[0].lane.index()].rank, Rank{1});
}

// One block in two chunks of weights 1 and 3, pushed from 0 to 1.
Schedule two_weights(std::array<Location, 2> landing) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  for (const auto weight : {1U, 3U}) builder.add_chunk({0, weight, 0});
  for (const int c : {0, 1}) {
    const ChunkId chunk{c};
    const auto at = landing[static_cast<std::size_t>(c)];
    builder.copy(Rank{0}, input(Rank{0}, chunk), output(Rank{0}, chunk));
    builder.copy(Rank{0}, input(Rank{0}, chunk), at);
    if (at.buffer != Buffer::output) builder.copy(Rank{1}, at, output(Rank{1}, chunk));
  }
  return *std::move(builder).build();
}

TEST(Lower, AsManySlicesOfALightChunkAsOfAHeavyOne) {
  const auto schedule = two_weights({output(Rank{1}, ChunkId{0}), output(Rank{1}, ChunkId{1})});
  const auto program = lowered(ring_of(2), schedule, {.elements = 64'000, .type = DataType::int8}, {.slices = 10});
  for (const auto& i : program.instructions) {
    EXPECT_EQ(program.slices(i), 10);
    EXPECT_EQ(program.slice_bytes(i), i.bytes / 10);
  }
}

TEST(Lower, AnInstructionTooShortForSoManySlicesHasFewerOfSixteenBytes) {
  const auto schedule = two_weights({output(Rank{1}, ChunkId{0}), output(Rank{1}, ChunkId{1})});
  const auto program = lowered(ring_of(2), schedule, {.elements = 100, .type = DataType::int8}, {.slices = 1000});
  for (const auto& i : program.instructions) EXPECT_EQ(program.slices(i), i.bytes == 16 ? 1 : 6);
}

TEST(Lower, ChunksOfTwoSizesInOneSlotAreCutAtTheSamePlaces) {
  const Payload payload{.elements = 64'000, .type = DataType::int8};
  const auto apart = lowered(ring_of(2), two_weights({scratch(Rank{1}, 0), scratch(Rank{1}, 1)}), payload, {.slices = 10});
  EXPECT_EQ(apart.tuning.slices, 10);
  const auto shared = lowered(ring_of(2), two_weights({scratch(Rank{1}, 0), scratch(Rank{1}, 0)}), payload, {.slices = 10});
  EXPECT_EQ(shared.tuning.slices, 0);
  EXPECT_EQ(shared.tuning.slice, Bytes{4800});
}

// A slot of rank 0 holds a large, a small and again a large chunk, each on a channel of its own; rank 1 reads each of them.
Schedule large_small_large() {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  for (const auto weight : {1000U, 1U, 1000U}) builder.add_chunk({0, weight, builder.chunk_count()});
  for (const int c : {0, 1, 2}) {
    const ChunkId chunk{c};
    builder.add_step(Rank{0}, std::array{input(Rank{0}, chunk)}, std::array{scratch(Rank{0}, 0), output(Rank{0}, chunk)});
    builder.copy(Rank{1}, scratch(Rank{0}, 0), output(Rank{1}, chunk));
  }
  return *std::move(builder).build();
}

TEST(Lower, AWriteWaitsForTheSlicesThatASmallerChunkInBetweenDoesNotHave) {
  for (const auto& tuning : {Tuning{.slice = 1_KiB}, Tuning{.slices = 50}, Tuning{.blocks_per_lane = 4, .slice = 1_KiB}}) {
    const auto program = lowered(ring_of(2), large_small_large(), {.elements = 200'100, .type = DataType::int8}, tuning);
    ASSERT_EQ(program.instructions.size(), 6U);
    const auto& last_write = *std::ranges::find(program.instructions, StepId{4}, &Instruction::step);
    std::vector<StepId> awaited;
    for (const auto& wait : program.waits_of(last_write)) awaited.push_back(program.at(wait.lane, wait.instruction).step);
    std::ranges::sort(awaited);
    EXPECT_EQ(awaited, (std::vector{StepId{1}, StepId{3}}));  // whoever read the small chunk, and whoever read the large one
  }
}

TEST(Lower, AStepMayHaveMoreWaitsThanSixteenBitsCount) {
  constexpr int readers = 65'536;
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  const auto first = builder.add_chunk({});
  const auto second = builder.add_chunk({});
  builder.copy(Rank{0}, input(Rank{0}, first), scratch(Rank{0}, 0));
  for (int k = 0; k < readers; ++k) builder.copy(Rank{1}, scratch(Rank{0}, 0), scratch(Rank{1}, k));
  builder.copy(Rank{0}, input(Rank{0}, second), scratch(Rank{0}, 0));
  builder.copy(Rank{1}, scratch(Rank{1}, readers - 1), output(Rank{1}, first));
  builder.copy(Rank{1}, scratch(Rank{0}, 0), output(Rank{1}, second));
  for (const auto chunk : {first, second}) builder.copy(Rank{0}, input(Rank{0}, chunk), output(Rank{0}, chunk));
  const auto program = lowered(ring_of(2), *std::move(builder).build(), {.elements = 64}, {.lane_per_step = true});
  EXPECT_EQ(std::ranges::find(program.instructions, StepId{readers + 1}, &Instruction::step)->wait_count, readers);
}

TEST(Lower, StepsOfOneChannelGetLanesOfTheirOwnWhereAsked) {
  const auto schedule = two_weights({output(Rank{1}, ChunkId{0}), output(Rank{1}, ChunkId{1})});
  // A local lane and one to the neighbour, for both chunks together or for each of the four steps.
  EXPECT_EQ(lowered(ring_of(2), schedule, {.elements = 4000}).lanes.size(), 2U);
  EXPECT_EQ(lowered(ring_of(2), schedule, {.elements = 4000}, {.lane_per_step = true}).lanes.size(), 4U);
}

TEST(Lower, RefusesAbsurdSizesAndTunings) {
  const auto machine = ring_of(2);
  const auto schedule = ring_all_gather(2);
  const auto proof = *verify(machine, schedule);
  EXPECT_FALSE(lower(schedule, proof, {.elements = -1}, {}));
  EXPECT_FALSE(lower(schedule, proof, {.elements = std::int64_t{1} << 60}, {}));
  EXPECT_FALSE(lower(schedule, proof, {.elements = 1}, {.blocks_per_lane = 0}));
  EXPECT_FALSE(lower(schedule, proof, {.elements = 1}, {.slice = Bytes{-16}}));
  EXPECT_FALSE(lower(schedule, proof, {.elements = 1}, {.slices = -1}));
  EXPECT_FALSE(lower(schedule, proof, {.elements = 1}, {.slice = Bytes{16}, .slices = 2}));
}

}  // namespace
}  // namespace p2plab::lower_test
