// SPDX-License-Identifier: Apache-2.0
// Long packet programs of 32 ranks and more, in columns of threads; with one GPU all ranks live on it. A program of its own, for one host thread puts
// the calls of all ranks on their streams in turn: then no second call stands in one of the GPU's queues before another rank's first one. Skips
// itself aloud where there is no GPU.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "p2plab/program/packet_program.h"
#include "support/emulation/fresh_calls.h"

namespace p2plab::columns_test {
namespace {

using test::CallCase;
using test::FreshCalls;
using enum CollectiveKind;

// GPUs for so many ranks, or why there are none. Each rank's stream has a queue of its own.
Result<std::vector<int>> gpus_for(int ranks) {
  setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0);
  const auto count = cuda::device_count();
  if (!count) return count.error();
  std::vector<int> devices;
  for (int r = 0; r < ranks; ++r) devices.push_back(r % *count);
  return devices;
}

Status call(const FreshCalls& made, const std::vector<int>& devices, int calls) {
  for (int c = 0; c < calls; ++c) {
    for (std::size_t r = 0; r < devices.size(); ++r) {
      if (auto done = cuda::use_device(devices[r]); !done) return done;
      const Rank rank{static_cast<std::int64_t>(r)};
      auto* const stream = made.streams().streams[r].get();
      if (auto done = made.operation().call(rank, stream); !done) return done;
    }
  }
  for (const auto& stream : made.streams().streams) {
    if (auto done = cuda::synchronize(stream); !done) return done;
  }
  return made.operation().state();
}

// New data for every row of calls, of which each is the same and the last one's results are compared.
void expect_right(const FreshCalls& made, const std::vector<int>& devices) {
  std::uint64_t seed = 0;
  for (const int calls : {1, 2, 3, 100, 1, 2}) {
    ASSERT_TRUE(made.buffers().generate(++seed));
    const auto done = call(made, devices, calls);
    ASSERT_TRUE(done) << describe(done.error());
    const auto found = made.buffers().compare(seed);
    ASSERT_TRUE(found) << describe(found.error());
    EXPECT_TRUE(found->passed) << calls << " calls, by " << made.describe();
  }
}

TEST(PacketColumns, GiveEveryRankItsSumsOnGpus) {
  const Tuning lamport{.protocol = Protocol::lamport};
  const Tuning ll{.protocol = Protocol::ll};
  const Tuning ll128{.protocol = Protocol::ll128};
  for (const auto& [ranks, kind, planner, tuning, elements] : {std::tuple{32, all_reduce, "two_shot", lamport, 32'768},
                                                               {32, all_reduce, "two_shot", ll, 100'003},
                                                               {32, all_reduce, "two_shot", lamport, 1001},
                                                               {40, all_reduce, "two_shot", lamport, 70'007},
                                                               {40, all_to_all, "pairwise", ll128, 50'001},
                                                               {40, reduce_scatter, "one_shot", lamport, 70'007}}) {
    const auto devices = gpus_for(ranks);
    if (!devices) GTEST_SKIP() << describe(devices.error());
    auto communicator = Communicator::create(*devices);
    ASSERT_TRUE(communicator) << describe(communicator.error());
    const auto made = FreshCalls::create(*communicator, *devices, {kind, planner, tuning, elements, {}, BufferUse::registered, "nvl72"});
    ASSERT_TRUE(made) << describe(made.error());
    SCOPED_TRACE(fmt::format("{} {} of {} elements, {} ranks: {}", planner, to_string(kind), elements, ranks, (*made)->describe()));
    EXPECT_GT((*made)->program().packets->columns, 1);
    EXPECT_NE((*made)->describe().find(" columns"), std::string::npos);
    expect_right(**made, *devices);
  }
}

// As few blocks as one column needs, and some more.
TEST(PacketColumns, AreAsManyAsBlocksAreAllowed) {
  const auto devices = gpus_for(32);
  if (!devices) GTEST_SKIP() << describe(devices.error());
  auto communicator = Communicator::create(*devices);
  ASSERT_TRUE(communicator) << describe(communicator.error());
  for (const auto& [blocks, in_columns] : {std::pair{1U, ""}, {2U, " in 2 columns"}, {7U, " in 7 columns"}}) {
    const CallCase which{all_reduce, "two_shot", {.protocol = Protocol::lamport}, 4000, {.blocks = blocks}, BufferUse::registered, "nvl72"};
    const auto made = FreshCalls::create(*communicator, *devices, which);
    ASSERT_TRUE(made) << describe(made.error());
    EXPECT_NE((*made)->describe().find(in_columns), std::string::npos) << (*made)->describe();
    EXPECT_EQ((*made)->describe().find(" columns") == std::string::npos, blocks == 1) << (*made)->describe();
    expect_right(**made, *devices);
  }
}

}  // namespace
}  // namespace p2plab::columns_test
