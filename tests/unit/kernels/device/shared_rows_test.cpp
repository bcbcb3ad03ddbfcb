// SPDX-License-Identifier: Apache-2.0
// Rows that several blocks share, as a cluster's do, on CPU threads: 2 to 8 ranks, rows that are no multiple of the blocks, rows of NaN.
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <limits>

#include "support/machines.h"
#include "support/plans.h"
#include "unit/kernels/device/fused_tensors.h"

namespace p2plab::shared_rows_test {
namespace {

using test::Cpu;
using test::Emulation;
using test::Float;
using test::kernel_of;
using test::RowMachine;
using test::Tensors;
using test::VectorTables;

// Blocks of one thread that share a row, as those of a cluster do; what they exchange lies where all see it.
template <int Blocks>
struct SharingCpu : RowMachine {
  static constexpr bool one_row = true;
  struct Room {
    std::barrier<> meeting{Blocks};
    std::array<float, device::row_strands> strands{};
  };
  static Room*& rooms() {
    static thread_local Room* mine = nullptr;
    return mine;
  }
  static std::uint32_t thread() { return own_block() % Blocks; }
  static std::uint32_t block() { return own_block() / Blocks; }
  static std::uint32_t blocks() { return RowMachine::blocks() / Blocks; }

  // read(all strands), where strand k * Blocks + thread is this thread's mine[k].
  template <class Read>
  static float exchanged(const float* mine, int count, Read&& read) {
    auto& room = rooms()[block()];
    for (int k = 0; k < count; ++k) room.strands[static_cast<std::size_t>(k * Blocks) + thread()] = mine[k];
    room.meeting.arrive_and_wait();
    const float value = read(room.strands.data());
    room.meeting.arrive_and_wait();
    return value;
  }
  template <int Threads, int Sums>
  static float row_sum(const float (&mine)[Sums], std::uint32_t) {
    static_assert(Threads == Blocks);
    return exchanged(mine, Sums, [](const float* strands) { return sum_of_strands(strands, Sums * Blocks); });
  }
  static float largest(const float* values) { return *std::max_element(values, values + Blocks); }
  template <int Threads>
  static float row_max(float mine, std::uint32_t) {
    return exchanged(&mine, 1, largest);
  }
  template <int Width, class Other>
  static float group_max(float, std::uint32_t vector, Other&& other) {
    float most = 0;
    for (auto v = vector / Width * Width + thread(); v < vector / Width * Width + Width; v += Blocks) most = std::max(most, other(v));
    return exchanged(&most, 1, largest);
  }
};

// Rows that `Blocks` blocks share, a cluster a row: right, and the bits of rows that a block takes alone.
template <int Blocks, int Packets>
void expect_shared_rows(int ranks, const Epilogue& epilogue, bool nan) {
  SCOPED_TRACE(std::to_string(ranks) + " ranks, " + std::to_string(Blocks) + " blocks a row of " + std::to_string(Packets) + " packets");
  constexpr std::uint32_t rows = 3;
  const auto machine = test::one_switch(ranks);
  const Payload payload{.elements = epilogue.hidden * rows, .type = DataType::float32};
  const auto plan = test::plan_on(machine, "one_shot", CollectiveKind::all_reduce);
  ASSERT_TRUE(plan);
  using Wire = device::LamportWire<4>;
  Emulation alone(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
  Emulation shared(machine, *plan, payload, {.protocol = Protocol::lamport}, false);
  const Tensors one(alone, epilogue, payload, 1);
  const Tensors several(shared, epilogue, payload, rows * Blocks);
  for (const auto* tensors : {&one, &several}) {
    for (const auto& call : tensors->calls) {
      if (nan) *Cpu::at<float>(call.residual + static_cast<std::uint64_t>(epilogue.hidden + 3) * 4) = std::numeric_limits<float>::quiet_NaN();
    }
  }
  alone.prepare_kernel<Wire>(1, 1, kernel_of<Wire, device::RowShape<CpuFloat, 1, Packets, true>>(one, Packets));
  std::vector<std::unique_ptr<typename SharingCpu<Blocks>::Room[]>> rooms;
  for (int r = 0; r < ranks; ++r) rooms.push_back(std::make_unique<typename SharingCpu<Blocks>::Room[]>(rows));
  shared.prepare_kernel<Wire>(rows * Blocks, 1, [&](const VectorTables& tables, const args::PacketCall& call, std::size_t r) {
    using Shape = device::RowShape<CpuFloat, Blocks, (Packets + Blocks - 1) / Blocks, true>;
    SharingCpu<Blocks>::rooms() = rooms[r].get();
    device::CallNotes<SharingCpu<Blocks>, VectorTables> notes(call.journal);
    device::run_packet_rows<SharingCpu<Blocks>, Wire, Shape, false>(Float{}, tables, call, several.calls[r], Packets, 0, notes);
  });
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(alone.call<float>(c), 0) << "call " << c;
    EXPECT_EQ(shared.call<float>(c), 0) << "call " << c;
    EXPECT_EQ(several.wrong(), 0) << "call " << c;
    for (std::size_t r = 0; r < several.calls.size(); ++r) {
      const auto bytes = static_cast<std::size_t>(payload.elements);
      const auto same = [&](std::uint64_t a, std::uint64_t b, std::size_t size) {
        return a == 0 || std::memcmp(Cpu::at<void>(a), Cpu::at<void>(b), size) == 0;
      };
      EXPECT_TRUE(same(several.calls[r].normed, one.calls[r].normed, bytes * 4)) << "rank " << r;
      EXPECT_TRUE(same(several.calls[r].quantised, one.calls[r].quantised, bytes)) << "rank " << r;
    }
  }
}

TEST(FusedKernel, SharesRowsAmongBlocksBitForBit) {
  for (int n = 2; n <= 8; ++n) expect_shared_rows<4, 6>(n, {.hidden = 24, .norm = n % 2 == 0 ? Norm::rms : Norm::layer, .bias = true}, n == 3);
  expect_shared_rows<2, 5>(3, {.hidden = 20, .float8 = Float8::token}, false);
  expect_shared_rows<8, 32>(2, {.hidden = 128, .norm = Norm::layer, .float8 = Float8::group}, true);
  expect_shared_rows<4, 64>(4, {.hidden = 256, .float8 = Float8::group}, false);
  expect_shared_rows<8, 6>(2, {.hidden = 24, .norm = Norm::off, .float8 = Float8::token, .weight = false, .gives_norm = false}, true);
}

}  // namespace
}  // namespace p2plab::shared_rows_test
