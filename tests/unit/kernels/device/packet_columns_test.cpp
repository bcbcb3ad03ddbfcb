// SPDX-License-Identifier: Apache-2.0
// Columns of packets as kernels run them: each column's blocks take its own items and no others, on one switch of many ranks. A block is a thread
// here, so programs run in fewer columns than a GPU has room for.
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "device/arithmetic.cuh"
#include "support/emulation/emulation.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::packet_columns_test {
namespace {

using test::Cpu;
using test::Emulation;
using test::VectorTables;
using Float = device::Fixed<device::Float, ReduceOp::sum>;
using enum CollectiveKind;

struct Case {
  int ranks = 32;
  const char* planner = "two_shot";
  CollectiveKind kind = all_reduce;
  std::int64_t elements = 0;
  std::int32_t columns = 3;
};

class Columns {
 public:
  explicit Columns(const Case& which, bool in_place = false)
      : machine_(test::one_switch(which.ranks)),
        plan_(*test::plan_on(machine_, which.planner, make_collective(which.kind, which.ranks), {}, {.in_place = in_place})),
        emulation_(machine_, plan_, {.elements = which.elements, .type = DataType::float32}, {}, in_place) {
    emulation_.most_columns = which.columns;
  }
  Emulation* operator->() { return &emulation_; }

  // Ranks do not wait for each other between calls; a rank's blocks do, as kernels on one stream. The number of wrong elements.
  template <class Wire>
  int run_ahead(std::uint32_t blocks_of_column, int calls) {
    emulation_.prepare_packets<Wire, Float>(blocks_of_column);
    const auto ranks = emulation_.program().memory.size();
    const auto blocks = blocks_of_column * static_cast<std::uint32_t>(emulation_.packets().columns);
    std::vector<std::unique_ptr<std::barrier<>>> meetings;
    std::vector<int> wrong(ranks);
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < ranks; ++r) {
      meetings.push_back(std::make_unique<std::barrier<>>(static_cast<std::ptrdiff_t>(blocks)));
      for (std::uint32_t b = 0; b < blocks; ++b)
        threads.emplace_back([=, this, &meeting = *meetings[r], &bad = wrong[r]] { bad += take_calls<Wire>(r, {b, blocks}, calls, meeting); });
    }
    for (auto& thread : threads) thread.join();
    int sum = 0;
    for (const auto bad : wrong) sum += bad;
    return sum;
  }

 private:
  // Of the first block alone.
  template <class Wire>
  int take_calls(std::size_t rank, Cpu::Place place, int calls, std::barrier<>& meeting) {
    Cpu::place() = place;
    int bad = 0;
    for (int c = 0; c < calls; ++c) {
      if (place.block == 0) emulation_.fill<float>(rank, c);
      meeting.arrive_and_wait();
      auto call = emulation_.packet_call(rank);
      const VectorTables tables{&emulation_.linked_packets(rank)};
      device::run_packets<Cpu, Wire>(Float{}, device::tables_of_column<Cpu>(tables, call), call);
      meeting.arrive_and_wait();
      if (place.block == 0) bad += emulation_.wrong<float>(rank, c);
    }
    return bad;
  }

  Topology machine_;
  Plan plan_;
  Emulation emulation_;
};

std::string about(const Case& which) {
  return std::string{which.planner} + " " + std::string{to_string(which.kind)} + ", " + std::to_string(which.ranks) + " ranks, " +
         std::to_string(which.elements) + " elements, " + std::to_string(which.columns) + " columns";
}

TEST(PacketColumns, GiveTheContractsResultsCallAfterCall) {
  for (const auto& which : {Case{32, "two_shot", all_reduce, 1003, 5}, Case{32, "ring", all_reduce, 333, 2}, Case{40, "two_shot", all_reduce, 77, 3},
                            Case{40, "two_shot", reduce_scatter, 1999, 4}, Case{72, "two_shot", all_reduce, 1501, 3},
                            Case{72, "one_shot", all_gather, 317, 2}, Case{72, "one_shot", all_reduce, 5, 2}}) {
    SCOPED_TRACE(about(which));
    Columns flagged(which);
    flagged->prepare_packets<device::LlWire, Float>(1);
    EXPECT_EQ(flagged->packets().columns, which.columns);
    Columns lamport(which);
    lamport->prepare_packets<device::LamportWire<4>, Float>(2);
    EXPECT_EQ(lamport->packets().columns, which.columns);
    for (int c = 0; c < 2; ++c) {
      EXPECT_EQ(flagged->call<float>(c), 0) << "call " << c;
      EXPECT_EQ(lamport->call<float>(c), 0) << "call " << c;
    }
  }
}

TEST(PacketColumns, AreRightInPlace) {
  for (const auto kind : {all_reduce, all_gather, reduce_scatter}) {
    const Case which{40, "two_shot", kind, 1003, 3};
    SCOPED_TRACE(about(which));
    Columns columns(which, true);
    columns->prepare_packets<device::LlWire, Float>(1);
    for (int c = 0; c < 3; ++c) EXPECT_EQ(columns->call<float>(c), 0) << "call " << c;
  }
}

// What a column is told another one does not know, and slots are used again every third call.
TEST(PacketColumns, RanksThatRunAheadMeetNoPacketOfAnotherCall) {
  for (const auto& which :
       {Case{32, "two_shot", all_reduce, 501, 3}, Case{72, "pairwise", gather, 77, 2}, Case{72, "two_shot", all_gather, 203, 3}}) {
    SCOPED_TRACE(about(which));
    Columns flagged(which);
    EXPECT_EQ(flagged.run_ahead<device::LlWire>(1, 12), 0);
    EXPECT_EQ(flagged->packets().columns, which.columns);
    const auto is_token = [](const PacketItem& item) { return item.is_token(); };
    const auto tokens = [&](const auto& items) { return std::ranges::any_of(items, is_token); };
    EXPECT_EQ(std::ranges::any_of(flagged->packets().ranks, tokens), which.kind == gather);
    EXPECT_EQ(Columns(which).run_ahead<device::LamportWire<4>>(1, 12), 0);
  }
}

// Waves, sources and stores of each column, one after another, are those of its items.
TEST(PacketColumns, AreLinkedItemByItem) {
  Columns columns({72, "two_shot", all_reduce, 4001, 1000});
  columns->prepare_packets<device::LlWire, Float>(1);
  const auto& packets = columns->packets();
  EXPECT_EQ(packets.columns, 256);
  for (std::size_t r = 0; r < 72; r += 17) {
    const auto& linked = columns->linked_packets(r);
    ASSERT_EQ(linked.columns.size(), 256U);
    std::vector<args::ColumnTables> counted(256);
    for (const auto& item : packets.ranks[r]) {
      auto& column = counted[static_cast<std::size_t>(item.column)];
      column.sources += static_cast<std::uint32_t>(item.sources.size());
      column.stores += static_cast<std::uint32_t>(item.destinations.size());
    }
    std::uint32_t wave = 0;
    std::uint32_t source = 0;
    std::uint32_t store = 0;
    for (std::size_t c = 0; c < 256; ++c) {
      const auto& column = linked.columns[c];
      EXPECT_EQ(std::tuple(column.wave, column.source, column.store), std::tuple(wave, source, store)) << "column " << c;
      EXPECT_EQ(std::pair(column.sources, column.stores), std::pair(counted[c].sources, counted[c].stores)) << "column " << c;
      for (std::uint32_t w = 0; w < column.waves; ++w) {
        const auto& each = linked.waves[column.wave + w];
        EXPECT_LE(each.first + each.count, column.sources);
        EXPECT_LE(each.store + each.stores, column.stores);
      }
      wave += column.waves;
      source += column.sources;
      store += column.stores;
    }
    EXPECT_EQ(std::tuple(wave, source, store), std::tuple(linked.waves.size(), linked.sources.size(), linked.stores.size()));
  }
}

// A rank that never begins is named by who waits for it, in whichever column.
TEST(PacketColumns, AWaitEndsAndNamesWhatItWaitedFor) {
  Columns columns({32, "two_shot", reduce_scatter, 501, 3});
  columns->timeout = 500'000'000;
  columns->missing_rank = 7;
  columns->prepare_packets<device::LlWire, Float>(1);
  EXPECT_GT(columns->call<float>(0), 0);
  int waited = 0;
  for (std::size_t r = 0; r < 32; ++r) {
    const auto& report = columns->report(r);
    if (report.hung == 0) continue;  // it ended when another one did
    const auto& linked = columns->linked_packets(r);
    EXPECT_EQ(linked.origins[linked.columns[report.block].source + report.item].peer, 7) << "rank " << r;
    ++waited;
  }
  EXPECT_GT(waited, 0);
}

}  // namespace
}  // namespace p2plab::packet_columns_test
