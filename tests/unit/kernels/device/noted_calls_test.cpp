// SPDX-License-Identifier: Apache-2.0
// What kernels note of each call, by their own source on CPU threads: every run once, from begin to end, all that came before added up.
#include <array>

#include <gtest/gtest.h>

#include "device/arithmetic.cuh"
#include "support/emulation/emulation.h"
#include "support/emulation/fixed_shape.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::noted_calls_test {
namespace {

using test::Emulation;
using Float = device::Fixed<device::Float, ReduceOp::sum>;

// What one rank's kernels write of their calls: how often in all, and an entry each.
struct Journal {
  args::CallCounts counts;
  args::JournalRing ring;
  std::array<args::JournalEntry, 4> entries{};
  args::CallJournal place(std::uint32_t name) { return {reinterpret_cast<std::uint64_t>(&counts), reinterpret_cast<std::uint64_t>(&ring), name, 3}; }
};

// Run `c`, from 0, of a call that began after `begun` and has ended.
void expect_noted(const Journal& journal, std::uint32_t c, std::uint64_t begun) {
  const auto& [counts, ring, entries] = journal;
  EXPECT_EQ(counts.run, c + 1);
  EXPECT_EQ(counts.count, c) << "the last one is added up by the next";
  EXPECT_EQ(ring.next, c + 1);
  const auto& entry = entries[c % 4];
  EXPECT_EQ(entry.name, 100 + c);
  EXPECT_EQ(args::begun_of(entry.span), args::begun_of(counts.last));
  EXPECT_EQ(args::time_of(entry.span), args::time_of(counts.last));
  EXPECT_GE(args::begun_of(entry.span), begun);
  EXPECT_LE(args::begun_of(entry.span) + args::time_of(entry.span), test::Cpu::now());
  std::uint64_t sum = 0;
  std::uint64_t most = 0;
  for (std::uint32_t i = c < 4 ? 0 : c - 3; i < c; ++i) {
    const auto time = args::time_of(entries[i % 4].span);
    sum += time;
    most = std::max(most, time);
    EXPECT_LE(counts.least, time);
    EXPECT_GE(counts.most, time);
  }
  if (c < 4) {
    EXPECT_EQ(counts.sum, sum);
    EXPECT_EQ(counts.most, most);
  }
}

TEST(NotedCalls, AreCountedOnceHoweverManyBlocksACallHas) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "ring", CollectiveKind::all_reduce);
  const Payload payload{.elements = 770, .type = DataType::float32};
  std::array<Journal, 3> journals{};
  Emulation packets(machine, plan, payload, {}, false);
  packets.prepare_packets<device::LlWire, Float>(3);
  Emulation slices(machine, plan, payload, {}, false);
  slices.prepare_slices<Float>();
  for (std::uint32_t c = 0; c < 6; ++c) {
    const auto begun = test::Cpu::now();
    for (std::size_t r = 0; r < 3; ++r) slices.slice_call(r).journal = packets.packet_call(r).journal = journals[r].place(100 + c);
    EXPECT_EQ(c % 2 == 0 ? packets.call<float>(static_cast<int>(c / 2)) : slices.call<float>(static_cast<int>(c / 2)), 0);
    for (auto& journal : journals) expect_noted(journal, c, begun);
  }
}

// Where a thread has one packet it notes before the barrier; what came before it adds up while it waits for others.
TEST(NotedCalls, OfThreadsWithOnePacketAreNotedBeforeTheyMeet) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, {.elements = 12, .type = DataType::float32}, {}, false);
  emulation.prepare_fixed<device::LamportWire<4>, Float, test::OnceShape>(1);
  std::array<Journal, 3> journals{};
  for (std::uint32_t c = 0; c < 9; ++c) {
    const auto begun = test::Cpu::now();
    for (std::size_t r = 0; r < 3; ++r) emulation.packet_call(r).journal = journals[r].place(100 + c);
    EXPECT_EQ(emulation.call<float>(static_cast<int>(c)), 0);
    for (auto& journal : journals) expect_noted(journal, c, begun);
  }
}

// A run whose end was never noted is not added up, and the next one takes its number.
TEST(NotedCalls, ThatDidNotEndAreNotCounted) {
  Journal journal;
  const auto place = journal.place(7);
  const auto run = [&](bool ends) {
    device::JournalMark<test::Cpu> mark(place);
    mark.begin(place);
    mark.add_up(place);
    if (ends) mark.end(place, place.name);
  };
  run(true);
  run(false);
  EXPECT_EQ(journal.counts.count, 1U);
  EXPECT_EQ(journal.counts.run, 1U);
  EXPECT_EQ(journal.ring.next, 2U);
  run(true);
  run(true);
  EXPECT_EQ(journal.counts.count, 2U);
  EXPECT_EQ(journal.counts.run, 3U);
}

TEST(NotedCalls, AreLeftAloneByCodeThatIsMadeWithoutThem) {
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  std::array<Journal, 2> journals{};
  Emulation recorded(machine, plan, {.elements = 77, .type = DataType::float32}, {}, false);
  recorded.prepare_fixed<device::LamportWire<4>, Float, test::Shape>(1);
  Emulation plain(machine, plan, {.elements = 77, .type = DataType::float32}, {}, false);
  plain.prepare_fixed<device::LamportWire<4>, Float, test::UnrecordedShape>(1);
  recorded.packet_call(0).journal = journals[0].place(7);
  plain.packet_call(0).journal = journals[1].place(7);
  EXPECT_EQ(recorded.call<float>(0), 0);
  EXPECT_EQ(plain.call<float>(0), 0);
  EXPECT_EQ(journals[0].counts.run, 1U);
  EXPECT_EQ(journals[1].counts.run + journals[1].ring.next, 0U);
}

// Both clocks may have passed where their words begin anew.
TEST(NotedCalls, SpansHoldTimesOfHours) {
  const auto span = [](std::uint64_t begun, std::uint64_t ended) {
    return args::Span{static_cast<std::uint32_t>(begun), static_cast<std::uint32_t>(ended),
                      test::Cpu::pick<args::low_halves>(static_cast<std::uint32_t>(begun >> 32), static_cast<std::uint32_t>(ended >> 32))};
  };
  constexpr std::uint64_t day = 86'400'000'000'000;
  EXPECT_EQ(args::time_of(span(0xffff'ffff, 0x1'0000'0001)), 2U);
  EXPECT_EQ(args::time_of(span(args::span_times - 5, args::span_times + day)), day + 5);
  EXPECT_EQ(args::begun_of(span(args::span_times + 7, args::span_times + 9)), 7U);
}

}  // namespace
}  // namespace p2plab::noted_calls_test
