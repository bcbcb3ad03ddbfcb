// SPDX-License-Identifier: Apache-2.0
// Communicators on real GPUs; with one GPU all ranks live on it. Skips itself aloud where there is none.
#include <algorithm>

#include <gtest/gtest.h>

#include "support/emulation/fresh_calls.h"

namespace p2plab::communicator_test {
namespace {

using test::CallCase;
using test::FreshCalls;
using enum CollectiveKind;

const Tuning lamport{.protocol = Protocol::lamport};
const Tuning ll128{.protocol = Protocol::ll128};
const Tuning slices{.blocks_per_lane = 4, .slice = 4_KiB};

// GPUs for so many ranks, or why there are none.
Result<std::vector<int>> gpus_for(int ranks) {
  const auto count = cuda::device_count();
  if (!count) return count.error();
  std::vector<int> devices;
  for (int r = 0; r < ranks; ++r) devices.push_back(r % *count);
  return devices;
}

// Two communicators, each with two operations, all on streams of their own at the same time, and thread blocks left for the data's kernels.
TEST(Communicators, SeveralRunAtOnceOnStreamsOfTheirOwn) {
  const auto devices = gpus_for(2);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  auto first = *Communicator::create(*devices, {.at_once = 8});
  auto second = *Communicator::create(*devices, {.at_once = 8});
  std::vector<std::unique_ptr<FreshCalls>> all;
  for (const auto& [communicator, which] : {std::pair{&first, CallCase{all_reduce, "one_shot", lamport, 3000}},
                                            {&first, CallCase{all_reduce, "ring", slices, 30'011}},
                                            {&second, CallCase{all_gather, "two_shot", ll128, 30'011}},
                                            {&second, CallCase{all_reduce, "two_shot", slices, 100'003, {}, BufferUse::staged}}}) {
    auto calls = FreshCalls::create(*communicator, *devices, which);
    ASSERT_TRUE(calls) << describe(calls.error());
    all.push_back(*std::move(calls));
  }
  for (auto& calls : all) calls->start(500);
  for (auto& calls : all) {
    const auto wrong = calls->wrong();
    ASSERT_TRUE(wrong) << calls->describe() << ": " << describe(wrong.error());
    EXPECT_EQ(*wrong, 0) << calls->describe();
  }
}

TEST(Communicators, OperationsShareMemoryThatIsAllocatedOnceAndGivenBack) {
  const auto devices = gpus_for(3);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  auto communicator = *Communicator::create(*devices);
  EXPECT_EQ(communicator.memory(Rank{0}).allocations, 0);
  MemoryUse first;
  for (int round = 0; round < 3; ++round) {
    for (const auto& which : {CallCase{all_reduce, "two_shot", lamport, 1'000'003}, CallCase{all_reduce, "ring", slices, 1'000'003}}) {
      auto calls = FreshCalls::create(communicator, *devices, which);
      ASSERT_TRUE(calls) << describe(calls.error());
      (*calls)->start(10);
      const auto wrong = (*calls)->wrong();
      ASSERT_TRUE(wrong) << describe(wrong.error());
      EXPECT_EQ(*wrong, 0) << (*calls)->describe();
      EXPECT_GT(communicator.memory(Rank{0}).lent, Bytes{0});
    }
    const auto use = communicator.memory(Rank{2});
    EXPECT_EQ(use.lent, Bytes{0});
    if (round == 0) first = use;
    EXPECT_EQ(use.allocations, first.allocations);
    EXPECT_EQ(use.held, first.held);
  }
}

// Each staged call names its own buffers, by packets and by slices alike; those of the call before stay as they are.
TEST(Communicators, AStagedCallTakesAnyBuffers) {
  const auto devices = gpus_for(2);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  auto communicator = *Communicator::create(*devices);
  constexpr std::size_t elements = 4096;
  for (const auto& [planner, tuning] : {std::pair{"one_shot", lamport}, {"two_shot", ll128}, {"ring", slices}}) {
    for (const bool interpret : {false, true}) {
      const CallCase which{all_reduce, planner, tuning, elements, {.interpret = interpret}, BufferUse::staged};
      auto calls = FreshCalls::create(communicator, *devices, which);
      ASSERT_TRUE(calls) << describe(calls.error());
      const auto other = cuda::Buffers::create((*calls)->schedule(), {.elements = elements, .type = DataType::float16}, *devices, {});
      ASSERT_TRUE(other);
      for (const auto* buffers : {&(*calls)->buffers(), &*other, &(*calls)->buffers()}) {
        ASSERT_TRUE(buffers->generate(7));
        ASSERT_TRUE(cuda::run_once((*calls)->streams(), [&](Rank rank, const cuda::Stream& stream) {
          return (*calls)->operation().call(rank, buffers->addresses()[rank.index()], stream.get());
        }));
        EXPECT_TRUE(buffers->compare(7)->passed) << planner << (*calls)->describe();
      }
      const auto odd = (*calls)->operation().call(Rank{0}, {other->input(Rank{0}) + 2, other->output(Rank{0})}, nullptr);
      ASSERT_FALSE(odd);
      EXPECT_EQ(odd.error().code, ErrorCode::invalid_input);
      EXPECT_TRUE((*calls)->operation().state());
    }
  }
}

TEST(Communicators, CallsAreCapturedInGraphsOfTheCallers) {
  const auto devices = gpus_for(2);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  auto communicator = *Communicator::create(*devices, {.at_once = 2});
  const auto calls = FreshCalls::create(communicator, *devices, {all_reduce, "ring", slices, 30'011, {}, BufferUse::staged});
  ASSERT_TRUE(calls) << describe(calls.error());
  const auto& made = **calls;
  ASSERT_TRUE(made.buffers().generate(3));
  std::vector<cuda::Graph> graphs;
  for (std::size_t r = 0; r < devices->size(); ++r) {
    ASSERT_TRUE(cuda::use_device((*devices)[r]));
    const auto& stream = made.streams().streams[r];
    ASSERT_TRUE(cuda::begin_capture(stream));
    for (int c = 0; c < 5; ++c) EXPECT_TRUE(made.operation().call(Rank{static_cast<std::int64_t>(r)}, made.buffers().addresses()[r], stream.get()));
    graphs.push_back(*cuda::end_capture(stream));
  }
  for (int replay = 0; replay < 100; ++replay) {
    for (std::size_t r = 0; r < devices->size(); ++r) {
      ASSERT_TRUE(cuda::use_device((*devices)[r]));
      ASSERT_TRUE(cuda::launch(graphs[r], made.streams().streams[r]));
    }
  }
  for (const auto& stream : made.streams().streams) ASSERT_TRUE(cuda::synchronize(stream));
  EXPECT_TRUE(made.operation().state());
  EXPECT_TRUE(made.buffers().compare(3)->passed);
}

TEST(Communicators, RefuseWhatCannotBe) {
  const auto devices = gpus_for(2);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  EXPECT_FALSE(Communicator::create({0, 999}));
  EXPECT_FALSE(Communicator::create(*devices, {.at_once = 0}));
  auto three = *Communicator::create(*gpus_for(3));
  const auto calls = FreshCalls::create(three, *devices, {all_reduce, "ring", slices, 4096});
  ASSERT_FALSE(calls);
  EXPECT_EQ(calls.error().message, "the program has 2 ranks, the communicator 3");
  // More thread blocks than a 64th of any GPU holds.
  auto crowded = *Communicator::create(*devices, {.at_once = 64});
  const auto large = FreshCalls::create(crowded, *devices, {all_reduce, "ring", {.blocks_per_lane = 64, .slice = 64_KiB}, 1 << 22});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace p2plab::communicator_test
