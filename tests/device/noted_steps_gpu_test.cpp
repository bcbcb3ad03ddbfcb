// SPDX-License-Identifier: Apache-2.0
// Steps as GPUs' kernels note them: every item of every block, in order, within the call, and the data is right. With one GPU all ranks live on it;
// with two or more the clocks of GPUs are set to each other. Skips itself aloud.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lowered/step_clocks.h"
#include "support/emulation/fresh_calls.h"

namespace p2plab::noted_steps_gpu_test {
namespace {

using test::CallCase;
using test::FreshCalls;
using enum CollectiveKind;

constexpr std::uint32_t ring_mask = 63;
constexpr std::uint64_t calls_at = sizeof(args::JournalRing);
constexpr std::uint64_t heads_at = calls_at + (ring_mask + 1) * sizeof(args::JournalEntry);
constexpr std::uint64_t notes_at = heads_at + sizeof(args::StepHeads);
constexpr std::uint64_t journal_bytes = notes_at + args::noted_steps * sizeof(args::StepEntry);
constexpr int calls = 10;
constexpr int replays = 3;

struct Journals {
  std::vector<cuda::DeviceMemory> memory;
  std::vector<int> devices;

  explicit Journals(const std::vector<int>& of) : devices(of) {
    const Bytes size{journal_bytes};
    for (const auto device : devices) {
      EXPECT_TRUE(cuda::use_device(device));
      memory.push_back(*cuda::allocate(size));
      EXPECT_TRUE(cuda::set_bytes(memory.back().address(), 0, size));
      EXPECT_TRUE(cuda::synchronize(cuda::Stream{}));
    }
  }
  std::vector<std::byte> read(std::size_t rank) const {
    std::vector<std::byte> bytes(journal_bytes);
    EXPECT_TRUE(cuda::use_device(devices[rank]));
    EXPECT_TRUE(cuda::copy_from_device(bytes.data(), memory[rank].address(), Bytes{journal_bytes}));
    return bytes;
  }
};

// As spans of calls have it.
std::uint64_t of_clock(std::uint64_t time) { return time % args::span_times; }

// The notes of a rank: whole, in each block's order, block 0's within its calls, every call with the same items.
std::vector<args::StepEntry> checked(const std::vector<std::byte>& journal, bool every_name) {
  const auto* const entries = reinterpret_cast<const args::StepEntry*>(journal.data() + notes_at);
  const auto* const own = reinterpret_cast<const args::JournalEntry*>(journal.data() + calls_at);
  const auto next = reinterpret_cast<const args::JournalRing*>(journal.data())->next;
  EXPECT_EQ(next, static_cast<std::uint32_t>(calls * replays));
  std::map<std::uint32_t, std::vector<args::StepEntry>> blocks;
  std::vector<args::StepEntry> all;
  for (std::uint32_t i = 0; i < args::noted_steps; ++i) {
    EXPECT_TRUE(entries[i].whole());
    if (entries[i].serial == 0) continue;
    blocks[entries[i].place % args::most_noting_blocks].push_back(entries[i]);
    all.push_back(entries[i]);
  }
  EXPECT_FALSE(blocks.empty());
  for (auto& [block, notes] : blocks) {
    std::ranges::sort(notes, {}, &args::StepEntry::serial);
    std::uint64_t last = 0;
    std::map<std::uint32_t, std::multiset<std::uint32_t>> items;
    for (const auto& note : notes) {
      EXPECT_GE(note.begun(), last) << "block " << block;
      EXPECT_LE(note.waited(), note.time());
      last = note.begun() + note.time();
      items[note.name].insert(note.place >> args::noted_item_shift);
      const auto within = [&](const args::JournalEntry& call) {
        return call.name == note.name && of_clock(note.begun()) >= args::begun_of(call.span) &&
               of_clock(last) <= args::begun_of(call.span) + args::time_of(call.span);
      };
      if (block != 0) continue;
      EXPECT_TRUE(std::any_of(own, own + std::min(next, ring_mask + 1), within)) << note.name;
    }
    if (every_name) {
      EXPECT_EQ(items.size(), static_cast<std::size_t>(calls)) << "block " << block;
    }
    // Where the ring was long enough for all.
    if (notes.front().serial == 1) {
      for (const auto& [name, of_call] : items) EXPECT_EQ(of_call, items.begin()->second) << "block " << block << ", call " << name;
    }
  }
  return all;
}

// Of the programs.
std::set<std::int32_t> steps_of(const std::vector<RankNotes>& notes) {
  std::set<std::int32_t> steps;
  for (const auto& rank : notes) {
    for (const auto& lane : rank.items.lanes) {
      for (const auto& item : lane) steps.insert(item.begin(), item.end());
    }
  }
  return steps;
}

TEST(NotedStepsOnGpus, AreAllThereInOrderWithinTheirCallsAndTheDataIsRight) {
  const auto count = cuda::device_count();
  if (!count) GTEST_SKIP() << describe(count.error());
  std::vector<int> devices;
  for (int r = 0; r < 2; ++r) devices.push_back(r % *count);
  auto communicator = *Communicator::create(devices, {.recorded = true, .steps = true});
  const Tuning by_lamport{.protocol = Protocol::lamport};
  const Tuning by_ll128{.protocol = Protocol::ll128};
  const Tuning by_slices{.blocks_per_lane = 4, .slice = 4_KiB};
  const Tuning in_bulk{.blocks_per_lane = 4, .slice = 64_KiB};  // on Hopper and later
  for (auto which : {CallCase{all_reduce, "one_shot", by_lamport, 512}, CallCase{all_reduce, "two_shot", by_lamport, 100'000},
                     CallCase{all_gather, "one_shot", by_ll128, 30'011}, CallCase{all_reduce, "two_shot", by_lamport, 30'000, {.interpret = true}},
                     CallCase{all_reduce, "two_shot", by_lamport, 30'000, {.threads = 1024}},  // with no room for a warp that notes
                     CallCase{all_reduce, "ring", by_slices, 100'003}, CallCase{all_gather, "ring", in_bulk, 4'000'000}}) {
    which.use = BufferUse::staged;  // whose calls name a journal
    auto made = FreshCalls::create(communicator, devices, which);
    ASSERT_TRUE(made) << describe(made.error());
    const auto& each = **made;
    SCOPED_TRACE(each.describe());
    const Journals journals(devices);
    const auto addresses = each.buffers().addresses();
    ASSERT_TRUE(each.buffers().generate(3));
    std::vector<cuda::Graph> graphs;
    for (std::size_t r = 0; r < devices.size(); ++r) {
      ASSERT_TRUE(cuda::use_device(devices[r]));
      const auto& stream = each.streams().streams[r];
      ASSERT_TRUE(cuda::begin_capture(stream));
      for (std::uint32_t c = 0; c < calls; ++c) {
        auto buffers = addresses[r];
        buffers.journal = {.ring = journals.memory[r].address(), .name = c, .mask = ring_mask};
        EXPECT_TRUE(each.operation().call(Rank{static_cast<std::int64_t>(r)}, buffers, stream.get()));
      }
      graphs.push_back(*cuda::end_capture(stream));
    }
    for (int replay = 0; replay < replays; ++replay) {
      for (std::size_t r = 0; r < devices.size(); ++r) {
        ASSERT_TRUE(cuda::use_device(devices[r]));
        ASSERT_TRUE(cuda::launch(graphs[r], each.streams().streams[r]));
      }
    }
    for (const auto& stream : each.streams().streams) ASSERT_TRUE(cuda::synchronize(stream));
    EXPECT_TRUE(each.operation().state());
    EXPECT_TRUE(each.buffers().compare(3)->passed);
    std::vector<RankNotes> notes;
    for (std::size_t r = 0; r < devices.size(); ++r) {
      const auto items = each.operation().noted(Rank{static_cast<std::int64_t>(r)});
      ASSERT_FALSE(items.lanes.empty());
      notes.push_back({checked(journals.read(r), which.elements < 100'003), items, devices[r]});
    }
    const auto middle = middle_call(notes, {});
    ASSERT_TRUE(middle) << describe(middle.error());
    std::set<std::int32_t> steps;
    for (const auto& step : middle->steps) steps.insert(step.step);
    EXPECT_EQ(steps, steps_of(notes));
  }
}

// As `p2plab run` asks for them; needs a GPU for each rank.
TEST(NotedStepsOnGpus, OfTwoGpusAreSetToOneClock) {
  const auto count = cuda::device_count();
  if (!count || *count < 2) GTEST_SKIP() << "two GPUs are needed";
  const auto machine = test::one_switch(2);
  for (const auto& [planner, tuning, elements] : {std::tuple{"one_shot", Tuning{.protocol = Protocol::lamport}, std::int64_t{512}},
                                                  {"ring", Tuning{.blocks_per_lane = 16, .slice = 64_KiB}, std::int64_t{8} << 20}}) {
    const auto plan = *test::plan_on(machine, planner, all_reduce);
    const auto program = *lower(plan.schedule, *verify(machine, plan.schedule), {.elements = elements, .type = DataType::float16}, tuning);
    const auto executors = builtin_executors();
    const auto executor = executors.find("cuda")->make();
    const auto ran = executor->run({&machine, &plan, &program}, {.warmup = 1, .repeats = 3, .steps = true});
    ASSERT_TRUE(ran) << describe(ran.error());
    EXPECT_TRUE(ran->check->passed);
    ASSERT_FALSE(ran->steps.empty());
    const auto last = std::ranges::max_element(ran->steps, {}, &MeasuredStep::ended)->ended;
    fmt::print("{}: {:.2f} us a call, its steps {:.2f} us\n", planner, ran->median()->count() * 1e6, last.count() * 1e6);
    for (const auto& note : ran->notes) fmt::print("  {}\n", note);
    EXPECT_LT(last, *ran->median() * 2);
    std::set<std::int32_t> ranks;
    for (const auto& step : ran->steps) ranks.insert(step.rank);
    EXPECT_EQ(ranks.size(), 2U);
  }
}

}  // namespace
}  // namespace p2plab::noted_steps_gpu_test
