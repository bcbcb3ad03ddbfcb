// SPDX-License-Identifier: Apache-2.0
// Moves between any addresses: every byte right, none beside them touched, and nothing loaded or stored where GPUs may not.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <thread>

#include "device/arithmetic.cuh"
#include "device/slice.h"
#include "device/wire.h"
#include "p2plab/detail/combine.h"
#include "support/emulation/guarded_cpu.h"

namespace p2plab::shifted_test {
namespace {

using test::GuardedCpu;
using One = GuardedCpu<1, 1>;

constexpr std::size_t vector_bytes = 16;

// A move: how far operands lie behind multiples of 16, sources first; bytes [begin, end) of the instruction.
struct Move {
  std::vector<std::size_t> sources;
  std::vector<std::size_t> destinations;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int32_t divisor = 1;
};

std::string about(const Move& move) {
  return fmt::format("sources {}, destinations {}, bytes {} to {}, divided by {}", fmt::join(move.sources, " "), fmt::join(move.destinations, " "),
                     move.begin, move.end, move.divisor);
}

// Room for an operand, with whole vectors before and behind it.
struct Room {
  std::vector<device::Words<4>> memory;
  std::size_t first = 0;

  Room(std::size_t behind, std::int64_t bytes) : memory(static_cast<std::size_t>(bytes) / vector_bytes + 6), first(2 * vector_bytes + behind) {
    std::memset(all().data(), 0xa5, all().size());
  }
  std::span<std::byte> all() { return std::as_writable_bytes(std::span{memory}); }
  std::byte* data() { return all().data() + first; }
  std::uint64_t address() { return reinterpret_cast<std::uint64_t>(data()); }
  test::Guard::Region region(const Move& move) {
    return {address() + static_cast<std::uint64_t>(move.begin), address() + static_cast<std::uint64_t>(move.end)};
  }
};

// Small numbers, exact in every type.
template <class T>
void fill(Room& room, std::int64_t bytes, std::size_t which) {
  for (std::size_t e = 0; e * sizeof(T) < static_cast<std::size_t>(bytes); ++e) {
    const auto value = static_cast<T>((e * 7 + which * 5) % 11 + 1);
    std::memcpy(room.data() + e * sizeof(T), &value, sizeof value);
  }
}

// Runs a move by all threads of a Machine's block; says what is wrong. T is an element.
template <class T, class Machine, class Combine>
void check(const Combine& combine, DataType type, ReduceOp op, const Move& move) {
  typename Machine::Block block;
  std::vector<Room> sources;
  std::vector<Room> destinations;
  std::vector<std::uint64_t> operands;
  for (const auto behind : move.sources) {
    fill<T>(sources.emplace_back(behind, move.end), move.end, sources.size());
    operands.push_back(sources.back().address());
    block.guard.readable.push_back(sources.back().region(move));
  }
  for (const auto behind : move.destinations) {
    operands.push_back(destinations.emplace_back(behind, move.end).address());
    block.guard.writable.push_back(destinations.back().region(move));
  }
  const bool together = std::ranges::all_of(move.destinations, [&](auto behind) { return behind == move.destinations[0]; });
  const args::SliceInstruction instruction{.bytes = move.end,
                                           .slice = move.end,
                                           .sources = static_cast<std::uint16_t>(sources.size()),
                                           .destinations = static_cast<std::uint16_t>(destinations.size()),
                                           .divides = static_cast<std::uint8_t>(move.divisor != 1 ? 1 : 0),
                                           .alignment = together ? args::Alignment::destinations : args::Alignment::none,
                                           .divisor = move.divisor};
  const auto work = [&](std::uint32_t thread) {
    Machine::here() = {&block, thread};
    device::move<Machine, true>(combine, instruction, operands.data(), move.begin, move.end);
  };
  if (Machine::threads() == 1) {
    work(0);
  } else {
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < Machine::threads(); ++t) threads.emplace_back(work, t);
    for (auto& thread : threads) thread.join();
  }
  std::vector<const std::byte*> from;
  for (auto& room : sources) from.push_back(room.data() + move.begin);
  const auto elements = (move.end - move.begin) / static_cast<std::int64_t>(sizeof(T));
  for (std::size_t d = 0; d < destinations.size(); ++d) {
    Room expected(move.destinations[d], move.end);
    std::vector<std::byte*> to{expected.data() + move.begin};
    p2plab::combine({.type = type, .op = op, .divisor = move.divisor}, from, to, elements);
    EXPECT_EQ(std::memcmp(expected.all().data(), destinations[d].all().data(), expected.all().size()), 0) << about(move);
  }
  EXPECT_EQ(block.guard.outside, 0) << about(move);
  EXPECT_EQ(block.guard.misaligned, 0) << about(move);
  // Two ends of less than two vectors each.
  if (together) {
    EXPECT_LE(block.guard.narrow_stores, static_cast<int>(2 * 31 * destinations.size())) << about(move);
  }
}

template <class Machine>
void check_copy(const Move& move) {
  check<std::uint8_t, Machine>(device::Nothing{}, DataType::uint8, ReduceOp::sum, move);
}

TEST(ShiftedMoves, CopyEveryLengthBetweenAllAddresses) {
  for (std::size_t from = 0; from < vector_bytes; ++from) {
    for (std::size_t to = 0; to < vector_bytes; ++to) {
      for (std::int64_t bytes = 1; bytes <= 100; ++bytes) check_copy<One>({{from}, {to}, 0, bytes});
      check_copy<One>({{from}, {to, to, to}, 0, 1000});
      check_copy<One>({{from}, {to, to}, 32, 177});
      check_copy<One>({{from}, {to, (to + from) % vector_bytes}, 16, 99});
    }
  }
}

// One to nine sources, each with its own shift, in the shifts that elements of T can have.
template <class T, class Number, ReduceOp Op>
void check_sums(DataType type) {
  const device::Fixed<Number, Op> combine;
  constexpr auto places = vector_bytes / sizeof(T);
  const auto at = [](std::size_t place) { return place % places * sizeof(T); };
  std::size_t nth = 0;
  for (std::size_t from = 0; from < places; ++from) {
    for (std::size_t to = 0; to < places; ++to) {
      for (std::int64_t elements = 1; elements <= 100; ++elements, ++nth) {
        if (sizeof(T) == 1 && elements % 3 != 0 && elements > 40) continue;
        const auto bytes = elements * static_cast<std::int64_t>(sizeof(T));
        Move move{.sources = {at(from), at(from + to * 3 + 1)}, .destinations = {at(to)}, .begin = 0, .end = bytes};
        if (nth % 4 == 1) move.sources.insert(move.sources.end(), {at(from + 5), at(nth), at(to)});
        if (nth % 8 == 2) move.sources.resize(9, at(from + 2));
        if (nth % 3 == 2) move.destinations.push_back(move.destinations[0]);
        if (nth % 5 == 4 && bytes > 16) move.begin = 16;
        check<T, One>(combine, type, Op, move);
      }
    }
  }
  check<T, One>(combine, type, Op, {{at(1), at(2), at(3)}, {at(5)}, 0, 6000});
}

TEST(ShiftedMoves, AddElementsOfEverySize) {
  check_sums<std::int8_t, device::Whole<std::int8_t>, ReduceOp::sum>(DataType::int8);
  check_sums<std::uint16_t, device::Whole<std::uint16_t>, ReduceOp::product>(DataType::uint16);
  check_sums<float, device::Float, ReduceOp::sum>(DataType::float32);
  check_sums<std::int32_t, device::Whole<std::int32_t>, ReduceOp::max>(DataType::int32);
  check_sums<double, device::Double<double>, ReduceOp::sum>(DataType::float64);
  check_sums<std::int64_t, device::Double<std::int64_t>, ReduceOp::min>(DataType::int64);
}

TEST(ShiftedMoves, Divide) {
  const device::Fixed<device::Float, ReduceOp::sum> combine;
  for (const std::size_t sources : {1U, 3U}) {
    Move move{.sources = std::vector<std::size_t>(sources, 4), .destinations = {12}, .begin = 0, .end = 844, .divisor = 3};
    check<float, One>(combine, DataType::float32, ReduceOp::average, move);
  }
}

// Threads of a warp hand vectors to each other: blocks of two groups and a thread that belongs to none, rows that end anywhere.
TEST(ShiftedMoves, AreRightByThreadsThatRunTogether) {
  using Block = GuardedCpu<4, 9>;
  constexpr std::int64_t group_rows = 4 * 8 * 16;
  const device::Fixed<device::Float, ReduceOp::sum> combine;
  for (std::size_t from = 0; from < vector_bytes; ++from) {
    for (const auto bytes : {std::int64_t{61}, group_rows - 17, group_rows + 48, 2 * group_rows + 95, 5 * group_rows + 3})
      check_copy<Block>({{from}, {3, 3}, 0, bytes});
    if (from % 4 == 0) check<float, Block>(combine, DataType::float32, ReduceOp::sum, {{from, 8, 4, 0, from}, {4}, 0, 3 * group_rows + 20});
  }
}

// A vector at any address and its cuts, loaded and stored; what else may be loaded says which way is taken.
TEST(OddVectors, AreLoadedAndStoredWhole) {
  std::vector<device::Words<4>> memory(5);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(memory.data());
  for (std::size_t i = 0; i < 80; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + 11);
  const auto address = reinterpret_cast<std::uint64_t>(bytes) + 2 * vector_bytes;
  for (std::uint64_t behind = 0; behind < vector_bytes; ++behind) {
    for (std::int64_t count = 0; count <= 32; ++count) {
      for (const std::int64_t before : {0, 7, 8, 16}) {
        SCOPED_TRACE(fmt::format("{} behind, {} bytes, {} before", behind, count, before));
        One::Block block;
        const auto at = address + behind;
        block.guard.readable = {{at - static_cast<std::uint64_t>(before), at + static_cast<std::uint64_t>(count)}};
        One::here() = {&block, 0};
        std::array<std::uint8_t, vector_bytes> expected{};
        std::memcpy(expected.data(), bytes + 2 * vector_bytes + behind, static_cast<std::size_t>(std::min<std::int64_t>(count, 16)));
        const auto words = device::load_some<One, 4>(at, count, before);
        EXPECT_EQ(std::memcmp(words.w, expected.data(), sizeof words.w), 0);
        const auto half = device::load_some<One, 2>(at, count, before);
        EXPECT_EQ(std::memcmp(half.w, expected.data(), sizeof half.w), 0);
        Room room(behind, vector_bytes);
        Room wanted(behind, vector_bytes);
        std::memcpy(wanted.data(), expected.data(), static_cast<std::size_t>(std::min<std::int64_t>(count, 16)));
        block.guard.writable = {{room.address(), room.address() + static_cast<std::uint64_t>(count)}};
        device::store_some<One, 4>(room.address(), words, count);
        EXPECT_EQ(std::memcmp(room.all().data(), wanted.all().data(), room.all().size()), 0);
        EXPECT_EQ(block.guard.outside + block.guard.misaligned, 0);
      }
    }
  }
}

// Packets of a line, eight threads with 120 bytes, of an item of any size at any address: each byte of the item once, nothing beside it.
TEST(LinePackets, AreLoadedAndStoredAtAnyAddress) {
  using Wire = device::Ll128Wire;
  for (std::size_t behind = 0; behind < vector_bytes; ++behind) {
    for (const std::int64_t size : {1, 7, 8, 15, 16, 17, 111, 112, 113, 119, 120, 121, 127, 128, 239, 240, 250, 367}) {
      SCOPED_TRACE(fmt::format("{} behind, {} bytes", behind, size));
      Room from(behind, size);
      Room to(behind, size);
      Room expected(behind, size);
      fill<std::uint8_t>(from, size, 1);
      fill<std::uint8_t>(expected, size, 1);
      One::Block block;
      block.guard.readable = {from.region({.sources = {}, .destinations = {}, .begin = 0, .end = size})};
      block.guard.writable = {to.region({.sources = {}, .destinations = {}, .begin = 0, .end = size})};
      One::here() = {&block, 0};
      for (std::uint32_t position = 0; Wire::start(position) < static_cast<std::uint64_t>(size); ++position) {
        const auto packet = device::load_cut_packet<One, Wire>(from.address(), position, static_cast<std::uint32_t>(size));
        device::store_cut_packet<One, Wire>(to.address(), packet, position, static_cast<std::uint32_t>(size));
      }
      EXPECT_EQ(std::memcmp(to.all().data(), expected.all().data(), expected.all().size()), 0);
      EXPECT_EQ(block.guard.outside + block.guard.misaligned, 0);
    }
  }
}

}  // namespace
}  // namespace p2plab::shifted_test
