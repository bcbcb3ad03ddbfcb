// SPDX-License-Identifier: Apache-2.0
// Packets and the epilogue in one kernel, from the GPU's source, on CPU threads: by whole rows, and with all blocks of a rank meeting before.
#include <gtest/gtest.h>

#include "support/machines.h"
#include "support/plans.h"
#include "unit/kernels/device/fused_tensors.h"

namespace p2plab::fused_test {
namespace {

using test::Cpu;
using test::Emulation;
using test::Float;
using test::kernel_of;
using test::RowMachine;
using test::Tensors;
using test::VectorTables;

template <class Wire, int Slots>
void run_fused(Emulation& emulation, const Tensors& tensors, std::uint32_t blocks, std::uint32_t packets) {
  using Shape = device::RowShape<CpuFloat, 1, Slots, (Slots > 0)>;
  emulation.prepare_kernel<Wire>(blocks, 1, kernel_of<Wire, Shape>(tensors, packets));
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(emulation.call<float>(c), 0) << "call " << c;
    EXPECT_EQ(tensors.wrong(), 0) << "call " << c;
  }
}

TEST(FusedKernel, NormsCompleteRowsForEveryPlanner) {
  const auto planners = builtin_planners();
  const Epilogue epilogue{.hidden = 24};
  const Payload payload{.elements = 24 * 5, .type = DataType::float32};
  for (int n = 2; n <= 8; ++n) {
    const auto machine = test::one_switch(n);
    for (const auto* name : {"one_shot", "two_shot", "ring", "tree", "hierarchical", "recursive_doubling", "pairwise"}) {
      const auto plan = test::plan_on(machine, name, CollectiveKind::all_reduce);
      if (!plan) continue;
      SCOPED_TRACE(std::string{name} + ", " + std::to_string(n) + " ranks");
      Emulation lamport(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
      run_fused<device::LamportWire<4>, 6>(lamport, Tensors(lamport, epilogue, payload, 2), 2, 0);
      if (n > 3) continue;
      Emulation flagged(machine, *plan, payload, {.protocol = Protocol::ll}, false);
      run_fused<device::LlWire, 0>(flagged, Tensors(flagged, epilogue, payload, 3), 3, 0);
    }
  }
}

TEST(FusedKernel, TakesWholeRowsOfOneShot) {
  for (const int n : {2, 3, 5}) {
    const auto machine = test::one_switch(n);
    for (const auto* mode : {"push", "pull"}) {
      const Epilogue epilogue{.hidden = 24, .float8 = Float8::token};
      const Payload payload{.elements = 24 * 5, .type = DataType::float32};
      const auto plan = test::plan_on(machine, "one_shot", make_collective(CollectiveKind::all_reduce, n), {{"mode", mode}}, {.payload = payload});
      ASSERT_TRUE(plan);
      Emulation emulation(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
      const auto fused = with_epilogue(emulation.program(), epilogue);
      ASSERT_TRUE(fused);
      EXPECT_EQ(packets_of_row(*fused), 6U);
      run_fused<device::LamportWire<4>, 6>(emulation, Tensors(emulation, epilogue, payload, 2), 2, 6);
      Emulation again(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
      run_fused<device::LamportWire<4>, 0>(again, Tensors(again, epilogue, payload, 7), 7, 6);
    }
  }
}

TEST(FusedKernel, MeetsWhereRowsAreSpreadOverBlocks) {
  const auto machine = test::one_switch(3);
  const Payload payload{.elements = 96, .type = DataType::float32};
  const auto rows = [&](const char* planner, Protocol protocol, std::int64_t hidden) {
    const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
    const Emulation emulation(machine, *plan, payload, {.protocol = protocol}, false);
    return packets_of_row(*with_epilogue(emulation.program(), {.hidden = hidden}));
  };
  EXPECT_EQ(rows("one_shot", Protocol::lamport, 24), 6U);
  EXPECT_EQ(rows("one_shot", Protocol::ll, 24), 12U);
  EXPECT_EQ(rows("one_shot", Protocol::ll128, 24), 0U);    // lines of 120 bytes
  EXPECT_EQ(rows("one_shot", Protocol::lamport, 6), 0U);   // rows of 24 bytes, packets of 16
  EXPECT_EQ(rows("two_shot", Protocol::lamport, 24), 0U);  // a packet ends at three places
  EXPECT_EQ(rows("one_shot", Protocol::simple, 24), 0U);
}

// One shot by two ranks, pushed, as specialise.h writes it for each of them.
template <std::uint8_t Lands>
struct PushedShape {
  static constexpr int waves = 2;
  static constexpr int sources = 3;
  static constexpr int stores = 1;
  static constexpr int all_stores = 2;
  static constexpr int width = 2;
  static constexpr int first_landing = 1;
  static constexpr int stages = 2;
  static constexpr bool odd = false;
  static constexpr bool once = true;
  static constexpr bool recorded = true;
  static constexpr bool steps = false;
  static constexpr args::PacketWave wave(std::uint32_t i) {
    constexpr args::PacketWave table[] = {{0, 0, 1, 1, 0, 0}, {1, 1, 2, 1, 7, Lands}};
    return table[i];
  }
  static constexpr std::uint8_t stage(std::uint32_t i) {
    constexpr std::uint8_t table[] = {0, 1};
    return table[i];
  }
  static constexpr std::uint8_t store_kind(std::uint32_t i) {
    constexpr std::uint8_t table[] = {8, 0};
    return table[i];
  }
};

template <std::uint8_t Lands>
void run_taken(const LinkedPackets& linked, const args::PacketCall& call, const args::EpilogueCall& rows) {
  device::FixedTables<PushedShape<Lands>> tables;
  const auto parameters = packet_parameters(linked);
  std::memcpy(static_cast<void*>(&tables), parameters.data(), sizeof tables);
  device::CallNotes<RowMachine, decltype(tables)> notes(call.journal);
  device::run_packet_rows<RowMachine, device::LamportWire<4>, device::RowShape<CpuFloat, 1, 6, true>, true>(Float{}, tables, call, rows, 6, 0, notes);
}

// The sums never come back from memory, nor go there: rows are right although their source is elsewhere.
TEST(FusedKernel, NormsWhatItHoldsInRegisters) {
  const auto machine = test::one_switch(2);
  const Epilogue epilogue{.hidden = 24, .norm = Norm::layer, .float8 = Float8::token, .bias = true};
  const Payload payload{.elements = 24 * 5, .type = DataType::float32};
  const auto plan = test::plan_on(machine, "one_shot", make_collective(CollectiveKind::all_reduce, 2), {{"mode", "push"}}, {.payload = payload});
  ASSERT_TRUE(plan);
  Emulation emulation(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
  Emulation plain(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
  plain.prepare_packets<device::LamportWire<4>, Float>(1);
  const auto fused = *with_epilogue(emulation.program(), epilogue);
  EXPECT_TRUE(ends_in_sums(fused));
  const Tensors tensors(emulation, epilogue, payload, 2);
  emulation.prepare_kernel<device::LamportWire<4>>(2, 1, [&](const VectorTables& tables, const args::PacketCall& call, std::size_t r) {
    auto rows = tensors.calls[r];
    rows.source = rows.weight;
    r == 0 ? run_taken<2>(*tables.tables, call, rows) : run_taken<1>(*tables.tables, call, rows);
  });
  for (std::size_t r = 0; r < 2; ++r) {
    const auto written = shape_source(emulation.linked_packets(r), {.choice = {}, .once = true, .recorded = true});
    EXPECT_NE(written.find(r == 0 ? "{{0, 0, 1, 1, 0, 0}, {1, 1, 2, 1, 7, 2}}" : "{{0, 0, 1, 1, 0, 0}, {1, 1, 2, 1, 7, 1}}"), std::string::npos)
        << written;
  }
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(emulation.call<float>(c), 2 * payload.elements) << "the sums are in memory, call " << c;
    EXPECT_EQ(plain.call<float>(c), 0);
    for (std::size_t r = 0; r < 2; ++r)
      std::memcpy(Cpu::at<void>(emulation.output(r)), Cpu::at<void>(plain.output(r)), static_cast<std::size_t>(payload.size().count()));
    EXPECT_EQ(tensors.wrong(), 0) << "call " << c;
  }
}

TEST(FusedKernel, GoesThroughMemoryWhereSumsAreNotTheEnd) {
  const auto machine = test::one_switch(3);
  const Payload payload{.elements = 96, .type = DataType::float32};
  for (const auto* planner : {"two_shot", "tree"}) {
    const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
    const Emulation emulation(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
    EXPECT_FALSE(ends_in_sums(*with_epilogue(emulation.program(), {.hidden = 24}))) << planner;
  }
}

// Counters of arrivals rise by the blocks of each call and wrap around.
TEST(FusedKernel, MeetsWhereCountersWrapAround) {
  const auto machine = test::one_switch(2);
  const Epilogue epilogue{.hidden = 24};
  const Payload payload{.elements = 24 * 3, .type = DataType::float32};
  const auto plan = *test::plan_on(machine, "two_shot", CollectiveKind::all_reduce);
  Emulation emulation(machine, plan, payload, {.protocol = Protocol::lamport}, false);
  const Tensors tensors(emulation, epilogue, payload, 3);
  for (const auto& call : tensors.calls) {
    Cpu::store_32(call.arrivals, 0xfffffffaU);
    for (std::uint64_t b = 0; b < 3; ++b) Cpu::store_32(call.arrivals + args::arrivals_stride + b * 4, 0xfffffffaU);
  }
  run_fused<device::LamportWire<4>, 6>(emulation, tensors, 3, 0);
}

TEST(FusedKernel, EndsInAReportIfARankNeverStarts) {
  const auto machine = test::one_switch(3);
  const Payload payload{.elements = 24 * 3, .type = DataType::float32};
  const auto plan = *test::plan_on(machine, "one_shot", CollectiveKind::all_reduce);
  for (const std::uint32_t packets : {0U, 6U}) {
    Emulation emulation(machine, plan, payload, {.protocol = Protocol::lamport}, false);
    emulation.timeout = 50'000'000;
    emulation.missing_rank = 2;
    const Tensors tensors(emulation, {.hidden = 24}, payload, 2);
    using Wire = device::LamportWire<4>;
    using Shape = device::RowShape<CpuFloat, 1, 6, true>;
    emulation.prepare_kernel<Wire>(2, 1, kernel_of<Wire, Shape>(tensors, packets));
    EXPECT_GT(emulation.call<float>(0), 0);
    EXPECT_TRUE(emulation.report(0).hung + emulation.report(1).hung > 0);
  }
}

}  // namespace
}  // namespace p2plab::fused_test
