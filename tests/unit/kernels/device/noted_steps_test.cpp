// SPDX-License-Identifier: Apache-2.0
// What kernels note of each step, by their own source on CPU threads: every step of every block, in order, within the call.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "device/arithmetic.cuh"
#include "lowered/noted_items.h"
#include "support/emulation/emulation.h"
#include "support/emulation/fixed_shape.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::noted_steps_test {
namespace {

using test::Emulation;
using Float = device::Fixed<device::Float, ReduceOp::sum>;

constexpr int three = 3;

// A rank's journal with room for steps, as it lies in a GPU's memory.
class StepJournal {
 public:
  args::CallJournal place(std::uint32_t name) { return {0, reinterpret_cast<std::uint64_t>(memory_.data()), name, calls - 1}; }
  const args::StepHeads& heads() { return *reinterpret_cast<const args::StepHeads*>(args::steps_at(place(0))); }
  const args::JournalEntry& call(std::uint32_t number) {
    return *reinterpret_cast<const args::JournalEntry*>(place(0).ring + sizeof(args::JournalRing) + number % calls * sizeof(args::JournalEntry));
  }
  // By block, those of one call in order.
  std::map<std::uint32_t, std::vector<args::StepEntry>> of(std::uint32_t name) {
    std::map<std::uint32_t, std::vector<args::StepEntry>> blocks;
    const auto* const all = reinterpret_cast<const args::StepEntry*>(args::steps_at(place(0)) + sizeof(args::StepHeads));
    for (std::uint32_t i = 0; i < args::noted_steps; ++i) {
      EXPECT_TRUE(all[i].whole());
      if (all[i].serial != 0 && all[i].name == name) blocks[all[i].place % args::most_noting_blocks].push_back(all[i]);
    }
    for (auto& [block, entries] : blocks) std::ranges::sort(entries, {}, &args::StepEntry::serial);
    return blocks;
  }

 private:
  static constexpr std::uint32_t calls = 4;
  std::vector<std::uint64_t> memory_ = std::vector<std::uint64_t>(
      (sizeof(args::JournalRing) + calls * sizeof(args::JournalEntry) + sizeof(args::StepHeads) + args::noted_steps * sizeof(args::StepEntry)) / 8);
};

std::uint32_t item(const args::StepEntry& entry) { return entry.place >> args::noted_item_shift; }

// In the order of a block's one thread, each within [from, to].
void expect_in_order(const std::vector<args::StepEntry>& entries, std::uint64_t from, std::uint64_t to) {
  auto last = from;
  for (const auto& entry : entries) {
    EXPECT_GE(entry.begun(), last);
    EXPECT_LE(entry.waited(), entry.time());
    last = entry.begun() + entry.time();
  }
  EXPECT_LE(last, to);
}

struct Fixture {
  explicit Fixture(const char* planner, const Tuning& tuning = {}, std::int64_t elements = 770)
      : plan(*test::plan_on(machine, planner, CollectiveKind::all_reduce)),
        emulation(machine, plan, {.elements = elements, .type = DataType::float32}, tuning, false) {}

  // One call with notes, and what of each rank must be there: items by block.
  template <class Call, class Wanted>
  void check(Call&& call_of, Wanted&& wanted) {
    for (std::uint32_t c = 0; c < 3; ++c) {
      const auto before = test::Cpu::now();
      for (std::size_t r = 0; r < three; ++r) call_of(r).journal = journals[r].place(100 + c);
      EXPECT_EQ(emulation.call<float>(static_cast<int>(c)), 0);
      const auto after = test::Cpu::now();
      for (std::size_t r = 0; r < three; ++r) {
        SCOPED_TRACE(fmt::format("call {}, rank {}", c, r));
        const auto blocks = journals[r].of(100 + c);
        std::map<std::uint32_t, std::set<std::uint32_t>> seen;
        for (const auto& [block, entries] : blocks) {
          const auto& whole = journals[r].call(c);
          const auto begun = args::begun_of(whole.span);
          expect_in_order(entries, block == 0 ? begun : before, block == 0 ? begun + args::time_of(whole.span) : after);
          EXPECT_EQ(entries.back().serial, journals[r].heads().written[block]);
          for (const auto& entry : entries) seen[block].insert(item(entry));
        }
        EXPECT_EQ(seen, wanted(r));
      }
    }
  }

  Topology machine = test::one_switch(three);
  Plan plan;
  Emulation emulation;
  std::array<StepJournal, three> journals{};
};

std::set<std::uint32_t> first(std::size_t count) {
  std::set<std::uint32_t> all;
  for (std::uint32_t i = 0; i < count; ++i) all.insert(i);
  return all;
}

TEST(NotedSteps, OfThePacketInterpreterAreEveryItemOfEveryBlock) {
  Fixture fixture("ring");
  auto& emulation = fixture.emulation;
  emulation.prepare_kernel<device::LlWire>(3, 2, [](const test::VectorTables& tables, const args::PacketCall& call, std::size_t) {
    device::run_packets<test::Cpu, device::LlWire>(Float{}, test::NotingTables{tables}, call);
  });
  fixture.check(
      [&](std::size_t r) -> auto& { return emulation.packet_call(r); },
      [&](std::size_t r) {
        // An item begins with its first wave.
        std::set<std::uint32_t> items;
        const auto& waves = emulation.linked_packets(r).waves;
        for (std::uint32_t w = 0; w < waves.size(); ++w) {
          if ((waves[w].flags & args::wave_adds) == 0 || (waves[w].flags & args::wave_begins) != 0) items.insert(w);
        }
        EXPECT_EQ(noted_items(emulation.linked_packets(r)).front().size(), waves.size());
        return std::map<std::uint32_t, std::set<std::uint32_t>>{{0, items}, {1, items}, {2, items}};
      });
}

TEST(NotedSteps, OfCodeMadeForAProgramAreEveryWave) {
  Fixture fixture("two_shot", {}, 96);
  auto& emulation = fixture.emulation;
  emulation.prepare_fixed<device::LamportWire<4>, Float, test::NotingShape>(2);
  fixture.check(
      [&](std::size_t r) -> auto& { return emulation.packet_call(r); },
      [&](std::size_t) {
        return std::map<std::uint32_t, std::set<std::uint32_t>>{{0, first(3)}, {1, first(3)}};
      });
}

TEST(NotedSteps, OfSlicesAreEveryInstructionOfEveryPart) {
  for (const bool bulk : {false, true}) {
    Fixture fixture("ring", {.blocks_per_lane = 2, .slice = Bytes{64}});
    auto& emulation = fixture.emulation;
    emulation.prepare_slices<Float, true>(bulk);
    fixture.check(
        [&](std::size_t r) -> auto& { return emulation.slice_call(r); },
        [&](std::size_t r) {
          std::map<std::uint32_t, std::set<std::uint32_t>> wanted;
          const auto lanes = noted_items(emulation.program(), Rank{static_cast<std::int64_t>(r)});
          for (std::uint32_t block = 0; block < 2 * lanes.size(); ++block) wanted[block] = first(lanes[block / 2].size());
          return wanted;
        });
  }
}

// Of a step that waits the note says since when it had what it needs: a rank that comes late is waited for.
TEST(NotedSteps, SayHowLongAStepWaited) {
  Fixture fixture("one_shot", {}, 24);
  auto& emulation = fixture.emulation;
  emulation.prepare_kernel<device::LlWire>(1, 1, [](const test::VectorTables& tables, const args::PacketCall& call, std::size_t rank) {
    if (rank == 2) std::this_thread::sleep_for(std::chrono::milliseconds{20});
    device::run_packets<test::Cpu, device::LlWire>(Float{}, test::NotingTables{tables}, call);
  });
  for (std::size_t r = 0; r < three; ++r) emulation.packet_call(r).journal = fixture.journals[r].place(7);
  EXPECT_EQ(emulation.call<float>(0), 0);
  const auto most = [&](std::size_t rank) {
    std::uint64_t waited = 0;
    const auto notes = fixture.journals[rank].of(7);
    for (const auto& entry : notes.at(0)) waited = std::max(waited, entry.waited());
    return waited;
  };
  EXPECT_GE(most(0), 10'000'000U);
  EXPECT_GE(most(1), 10'000'000U);
}

// The ring's parts are as many as the launch has blocks; what is overwritten is gone, what is not stays whole.
TEST(NotedSteps, KeepTheLatestOfEachBlock) {
  Fixture fixture("two_shot", {}, 24);
  auto& emulation = fixture.emulation;
  emulation.prepare_fixed<device::LamportWire<4>, Float, test::NotingShape>(1);
  constexpr int calls = 30'000;  // of ranks steps
  for (int c = 0; c < calls; ++c) {
    auto& call = emulation.packet_call(0);
    call.journal = fixture.journals[0].place(5);
    device::StepNotes<test::Cpu, true> notes(call.journal, 0);
    for (std::uint32_t i = 0; i < 3; ++i) const auto note = notes.note(i);
    notes.close();
  }
  EXPECT_EQ(fixture.journals[0].heads().written[0], 3U * calls);
  const auto kept = fixture.journals[0].of(5).at(0);
  ASSERT_EQ(kept.size(), args::noted_steps);
  EXPECT_EQ(kept.front().serial, 3U * calls - args::noted_steps + 1);
}

}  // namespace
}  // namespace p2plab::noted_steps_test
