// SPDX-License-Identifier: Apache-2.0
// Blocks with threads beside those that carry packets: they note the calls, once each, from begin to end.
#include <array>
#include <barrier>
#include <thread>

#include <gtest/gtest.h>

#include "device/arithmetic.cuh"
#include "lowered/specialise.h"
#include "support/emulation/emulation.h"
#include "support/emulation/fixed_shape.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab {
namespace {

using Float = device::Fixed<device::Float, ReduceOp::sum>;

// One thread carries packets, the other one notes.
struct NotingCpu : testing::Cpu {
  struct Thread {
    std::uint32_t number = 0;
    std::barrier<>* block = nullptr;
  };
  static Thread& here() {
    static thread_local Thread thread;
    return thread;
  }
  static std::uint32_t thread() { return here().number; }
  static std::uint32_t threads() { return 1; }
  static bool only_notes() { return thread() >= 1; }
  static void sync() { here().block->arrive_and_wait(); }
  static std::uint64_t hold(std::uint64_t value) { return value; }
};

struct Journal {
  image::CallCounts counts;
  image::JournalRing ring;
  std::array<image::JournalEntry, 4> entries{};
};

TEST(NotingWarp, NotesEachCallFromItsBeginToItsEnd) {
  constexpr std::size_t ranks = 3;
  testing::Emulation emulation(testing::one_switch(ranks), *testing::plan_on(testing::one_switch(ranks), "two_shot", CollectiveKind::all_reduce),
                               {.elements = 77, .type = DataType::float32}, {}, false);
  emulation.prepare_fixed<device::LamportWire<4>, Float, testing::Shape>(1);
  std::array<Journal, ranks> journals{};
  for (std::uint32_t call = 0; call < 3; ++call) {
    const auto begun = testing::Cpu::now();
    std::vector<std::thread> threads;
    std::array<std::barrier<>, ranks> blocks{std::barrier<>{2}, std::barrier<>{2}, std::barrier<>{2}};
    for (std::size_t r = 0; r < ranks; ++r) {
      auto& journal = journals[r];
      emulation.packet_call(r).journal = {reinterpret_cast<std::uint64_t>(&journal.counts), reinterpret_cast<std::uint64_t>(&journal.ring), 40 + call,
                                          3};
      for (const std::uint32_t number : {0U, 1U}) {
        threads.emplace_back([&, r, number] {
          testing::Cpu::place() = {0, 1};
          NotingCpu::here() = {number, &blocks[r]};
          emulation.fixed_here<NotingCpu, device::LamportWire<4>, Float, testing::Shape>(r);
        });
      }
    }
    for (auto& thread : threads) thread.join();
    for (auto& [counts, ring, entries] : journals) {
      EXPECT_EQ(counts.count, call + 1);
      EXPECT_EQ(ring.next, call + 1);
      EXPECT_EQ(entries[call].name, 40 + call);
      EXPECT_EQ(entries[call].time, counts.last);
      EXPECT_GE(entries[call].begun, begun);
      EXPECT_LE(entries[call].begun + entries[call].time, testing::Cpu::now());
    }
  }
}

// Replays of one call in a graph are told apart by the operation's own count.
TEST(NotingWarp, NamesReplaysByTheirNumberWhereStepsAreNoted) {
  testing::Emulation emulation(testing::one_switch(3), *testing::plan_on(testing::one_switch(3), "two_shot", CollectiveKind::all_reduce),
                               {.elements = 77, .type = DataType::float32}, {}, false);
  emulation.first_call = 5;
  emulation.prepare_fixed<device::LamportWire<4>, Float, testing::NotingShape>(1);
  Journal journal;
  auto& call = emulation.packet_call(0);
  call.journal = {0, reinterpret_cast<std::uint64_t>(&journal.ring), image::journal_of_graph | 7, 3};
  std::barrier<> alone{1};
  NotingCpu::here() = {1, &alone};
  testing::Cpu::place() = {0, 1};
  emulation.fixed_here<NotingCpu, device::LamportWire<4>, Float, testing::NotingShape>(0);
  EXPECT_EQ(journal.entries[0].name, image::journal_of_graph | 5U << image::journal_replay_shift | 7U);
}

TEST(NotingWarp, IsThereForShortCallsAloneAndWhereItFits) {
  const PacketCode short_calls{.choice = {}, .threads = 128, .once = true, .recorded = true};
  EXPECT_EQ(short_calls.noting(), 32U);
  const auto noting = [&](auto change) {
    auto code = short_calls;
    change(code);
    return code.noting();
  };
  EXPECT_EQ(noting([](PacketCode& code) { code.threads = 992; }), 32U);
  EXPECT_EQ(noting([](PacketCode& code) { code.threads = 1024; }), 0U) << "no block has 1056 threads";
  EXPECT_EQ(noting([](PacketCode& code) { code.blocks_per_processor = 9; }), 32U);
  EXPECT_EQ(noting([](PacketCode& code) { code.blocks_per_processor = 10; }), 0U) << "1600 threads of a multiprocessor that has 1536";
  EXPECT_EQ(noting([](PacketCode& code) { code.threads = 100; }), 0U) << "part of a warp carries packets";
  EXPECT_EQ(noting([](PacketCode& code) { code.recorded = false; }), 0U);
  EXPECT_EQ(noting([](PacketCode& code) { code.once = false; }), 0U);
  EXPECT_EQ(noting([](PacketCode& code) { code.rows = RowCode{}; }), 0U);
}

}  // namespace
}  // namespace p2plab
