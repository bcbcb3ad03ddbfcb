// SPDX-License-Identifier: Apache-2.0
// The kernels' protocols under every order: what the interpreters' own source does on few ranks, with few packets, call after call, explored to the
// last state; larger programs in random orders. Broken variants of each protocol are found.
#include <cstdlib>

#include <gtest/gtest.h>

#include "device/arithmetic.cuh"
#include "support/emulation/emulation.h"
#include "support/emulation/fixed_shape.h"
#include "support/explore/explored_machine.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::protocols_test {
namespace {

using test::Emulation;
using test::ExploredMachine;
using test::Explorer;
using Float = device::Fixed<device::Float, ReduceOp::sum>;

// P2PLAB_EXPLORE=N: up to N states of each exploration, and N / 10 random orders.
std::size_t depth(std::size_t usual) {
  const auto* wanted = std::getenv("P2PLAB_EXPLORE");
  return wanted == nullptr ? usual : static_cast<std::size_t>(std::strtoull(wanted, nullptr, 10));
}

Emulation memory_for(const Topology& machine, const Plan& plan, std::int64_t elements, const Tuning& tuning) {
  return {machine, plan, {.elements = elements, .type = DataType::float32}, tuning, false};
}

// Ranks that call a prepared packet kernel, kernel(rank), `calls` times with fresh data, each as fast as it may.
Explorer packet_calls(Emulation& emulation, std::size_t ranks, int calls, std::function<void(std::size_t)> kernel) {
  std::vector<std::function<void()>> threads;
  for (std::size_t r = 0; r < ranks; ++r) {
    threads.emplace_back([&emulation, r, calls, kernel] {
      for (int c = 0; c < calls; ++c) {
        emulation.fill<float>(r, c);
        kernel(r);
        Explorer::here().drain();
        if (emulation.wrong<float>(r, c) != 0) Explorer::here().fail("call " + std::to_string(c) + " of rank " + std::to_string(r) + " is wrong");
      }
    });
  }
  emulation.remember();
  return {std::move(threads), [&emulation] { emulation.restore(); }};
}

template <class Machine, class Wire>
Explorer packets(Emulation& emulation, std::size_t ranks, int calls) {
  return packet_calls(emulation, ranks, calls, [&emulation](std::size_t r) { emulation.packets_here<Machine, Wire, Float>(r); });
}

// The same by slices, a thread a block; calls begin and end for all blocks of a rank together.
template <class Machine>
Explorer slices(Emulation& emulation, std::size_t ranks, int calls) {
  std::vector<std::function<void()>> threads;
  for (std::size_t r = 0; r < ranks; ++r) {
    const auto blocks = emulation.slice_blocks(r);
    const auto group = ((std::uint64_t{1} << blocks) - 1) << threads.size();
    for (std::uint32_t b = 0; b < blocks; ++b) {
      threads.emplace_back([&emulation, r, calls, b, blocks, group] {
        Explorer::here().grid() = {b, blocks};
        for (int c = 0; c < calls; ++c) {
          if (b == 0) emulation.fill<float>(r, c);
          Explorer::here().meet(group);
          emulation.slices_here<Machine, Float>(r);
          Explorer::here().drain();
          Explorer::here().meet(group);
          if (b == 0 && emulation.wrong<float>(r, c) != 0)
            Explorer::here().fail("call " + std::to_string(c) + " of rank " + std::to_string(r) + " is wrong");
        }
      });
    }
  }
  emulation.remember();
  return {std::move(threads), [&emulation] { emulation.restore(); }};
}

// Variants that are wrong: an arrival that looks at half of a packet, a slot that is never cleared, one landing copy for all calls, no tokens, no
// fences.
struct HalfLl : device::LlWire {
  static constexpr bool arrived(const device::Words<4>& packet, std::uint32_t epoch, std::uint32_t) { return packet.w[1] == epoch + 1; }
};
struct Uncleared : device::LamportWire<4> {
  static constexpr bool clears = false;
};

constexpr auto all_reduce = CollectiveKind::all_reduce;
constexpr std::size_t most_states = 20'000;

// Explores `calls` calls of two ranks to the last state and expects nothing wrong.
template <class Machine, class Wire>
void holds(const char* planner, CollectiveKind kind, std::int64_t elements, int calls) {
  const auto machine = test::one_switch(2);
  const auto plan = *test::plan_on(machine, planner, kind);
  auto emulation = memory_for(machine, plan, elements, {});
  emulation.prepare_packets<Wire, Float>(1);
  const auto report = packets<Machine, Wire>(emulation, 2, calls).every_order(depth(most_states));
  EXPECT_EQ(report.wrong, "") << planner << ' ' << to_string(kind);
  EXPECT_TRUE(report.whole) << planner << ' ' << to_string(kind) << ": " << report.states << " states";
  EXPECT_GT(report.states, 40U);
}

TEST(Protocols, OfPacketsHoldInEveryOrderOfTwoRanksOverFourCalls) {
  for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
    holds<ExploredMachine<8>, device::LlWire>(planner, all_reduce, 2, 4);
    holds<ExploredMachine<8>, device::LamportWire<4>>(planner, all_reduce, 2, 4);
    holds<ExploredMachine<16>, device::LamportWire<4>>(planner, all_reduce, 2, 4);
  }
  // Two packets a message, which come in any order.
  holds<ExploredMachine<8>, device::LlWire>("one_shot", all_reduce, 4, 4);
}

// The root hears from nobody but by tokens.
TEST(Protocols, OfPacketsHoldWhereOneRankOnlySends) {
  holds<ExploredMachine<8>, device::LlWire>("one_shot", CollectiveKind::broadcast, 2, 5);
  holds<ExploredMachine<8>, device::LamportWire<4>>("one_shot", CollectiveKind::broadcast, 2, 5);
}

TEST(Protocols, OfSlicesHoldInEveryOrderOfTwoRanksOverThreeCalls) {
  for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
    const auto machine = test::one_switch(2);
    const auto plan = *test::plan_on(machine, planner, all_reduce);
    auto emulation = memory_for(machine, plan, 8, {});
    emulation.prepare_slices<Float>();
    const auto report = slices<ExploredMachine<16>>(emulation, 2, 3).every_order(depth(most_states));
    EXPECT_EQ(report.wrong, "") << planner;
    EXPECT_TRUE(report.whole) << planner << ": " << report.states << " states";
    EXPECT_GT(report.states, 100U);
  }
}

TEST(Protocols, HoldInRandomOrdersOfMoreRanks) {
  const auto machine = test::one_switch(4);
  for (const auto* planner : {"one_shot", "two_shot", "ring", "tree"}) {
    const auto plan = *test::plan_on(machine, planner, all_reduce);
    const auto runs = depth(300) / 10;
    auto by_packets = memory_for(machine, plan, 9, {});
    by_packets.prepare_packets<device::LamportWire<4>, Float>(1);
    EXPECT_EQ((packets<ExploredMachine<4>, device::LamportWire<4>>(by_packets, 4, 4).random_orders(runs, 1).wrong), "") << planner;
    auto by_slices = memory_for(machine, plan, 32, {.blocks_per_lane = 2, .slice = Bytes{16}});
    by_slices.prepare_slices<Float>();
    EXPECT_EQ(slices<ExploredMachine<16>>(by_slices, 4, 3).random_orders(runs, 2).wrong, "") << planner;
  }
}

// Code made for a program, whose threads have several packets each and take them in rounds.
template <class Shape>
void rounds_hold(std::uint32_t batch) {
  using Machine = ExploredMachine<4>;
  using Wire = device::LamportWire<4>;
  const auto machine = test::one_switch(3);
  const auto plan = *test::plan_on(machine, "two_shot", all_reduce);
  auto emulation = memory_for(machine, plan, 44, {});  // four packets a chunk, the last one cut
  emulation.prepare_fixed<Wire, Float, Shape>(1, batch);
  auto explorer = packet_calls(emulation, 3, 4, [&](std::size_t r) { emulation.fixed_here<Machine, Wire, Float, Shape>(r); });
  EXPECT_EQ(explorer.random_orders(depth(300) / 10, 3).wrong, "") << Shape::stages << " stages, " << batch;
}

TEST(Protocols, OfRoundsHoldInRandomOrdersOfThreeRanks) {
  for (const std::uint32_t batch : {1U, 2U}) rounds_hold<test::Shape>(batch);
  rounds_hold<test::UnstagedShape>(1);
}

template <class Machine, class Wire>
std::string fault_of(CollectiveKind kind, const std::function<void(Emulation&)>& before, const std::function<void(Emulation&)>& after) {
  const auto machine = test::one_switch(2);
  const auto plan = *test::plan_on(machine, "one_shot", kind);
  auto emulation = memory_for(machine, plan, 2, {});
  before(emulation);
  emulation.prepare_packets<Wire, Float>(1);
  after(emulation);
  return packets<Machine, Wire>(emulation, 2, 5).every_order(most_states).wrong;
}

TEST(Protocols, WouldBeFoundWrongIfTheyWere) {
  const auto as_it_is = [](Emulation&) {};
  EXPECT_NE((fault_of<ExploredMachine<8>, HalfLl>(all_reduce, as_it_is, as_it_is)), "");
  EXPECT_NE((fault_of<ExploredMachine<8>, Uncleared>(all_reduce, as_it_is, as_it_is)), "");
  const auto one_copy = [](Emulation& emulation) {
    for (std::size_t r = 0; r < 2; ++r) emulation.packet_call(r).area = 0;
  };
  EXPECT_NE((fault_of<ExploredMachine<8>, device::LlWire>(all_reduce, as_it_is, one_copy)), "");
  const auto no_tokens = [](Emulation& emulation) {
    emulation.spoil = [](PacketProgram& program) {
      for (auto& items : program.ranks) std::erase_if(items, [](const auto& item) { return item.is_token(); });
    };
  };
  EXPECT_NE((fault_of<ExploredMachine<8>, device::LlWire>(CollectiveKind::broadcast, no_tokens, as_it_is)), "");
  // A packet whose halves are no whole pieces.
  EXPECT_NE((fault_of<ExploredMachine<4>, device::LlWire>(all_reduce, as_it_is, as_it_is)), "");

  const auto machine = test::one_switch(2);
  const auto plan = *test::plan_on(machine, "two_shot", all_reduce);
  auto emulation = memory_for(machine, plan, 8, {});
  emulation.prepare_slices<Float>();
  EXPECT_NE((slices<ExploredMachine<16, false>>(emulation, 2, 2).every_order(most_states).wrong), "");
}

}  // namespace
}  // namespace p2plab::protocols_test
