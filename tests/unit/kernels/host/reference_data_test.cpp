// SPDX-License-Identifier: Apache-2.0
// Test data is exact where it says so, differs by rank, and its check finds what is wrong.
#include <gtest/gtest.h>

#include "p2plab/detail/combine.h"
#include "p2plab/detail/reference_data.h"

namespace p2plab::reference_data_test {
namespace {

// All ranks' inputs of an all-reduce, combined in rising order of ranks in one step.
struct Combined {
  TestData data;
  std::vector<std::vector<std::byte>> inputs;
  std::vector<std::byte> output;
};

Combined combine_all(int ranks, const Payload& payload, std::size_t left_out = 0) {
  const auto collective = make_collective(CollectiveKind::all_reduce, ranks);
  const auto blocks = *contract(collective, ranks);
  Combined result{TestData(collective, blocks, payload, 7), {}, std::vector<std::byte>(static_cast<std::size_t>(payload.size().count()))};
  std::vector<const std::byte*> sources;
  for (int r = 0; r < ranks; ++r) {
    result.inputs.emplace_back(result.output.size());
    result.data.fill(0, Rank{r}, result.inputs.back());
  }
  for (std::size_t r = left_out; r < result.inputs.size(); ++r) sources.push_back(result.inputs[r].data());
  const std::array<std::byte*, 1> destinations{result.output.data()};
  combine({payload.type, payload.op, payload.op == ReduceOp::average ? ranks : 1}, sources, destinations, payload.elements);
  return result;
}

DataCheck checked(const Combined& result) {
  const Received copy{Rank{0}, 0, result.output};
  return result.data.check(0, {&copy, 1}, 2);
}

TEST(TestData, PassesForEveryTypeAndOperation) {
  for (const auto type : all_data_types()) {
    for (const auto op : all_reduce_ops()) {
      for (const int ranks : {1, 2, 3, 8, 16, 33}) {
        const auto check = checked(combine_all(ranks, {.elements = 3001, .type = type, .op = op}));
        EXPECT_TRUE(check.passed) << to_string(type) << ' ' << to_string(op) << ' ' << ranks << ": " << check.first_wrong;
        EXPECT_EQ(check.elements, 3001);
        if (op != ReduceOp::average && ranks <= 16) {
          EXPECT_EQ(check.worst_error, 0) << to_string(type) << ' ' << to_string(op) << ' ' << ranks;
        }
      }
    }
  }
}

TEST(TestData, NoticesAContributionLeftOutOfEveryTypeAndOperation) {
  for (const auto type : all_data_types()) {
    for (const auto op : all_reduce_ops()) {
      for (const int ranks : {2, 3, 8, 16}) {
        const auto check = checked(combine_all(ranks, {.elements = 3001, .type = type, .op = op}, 1));
        EXPECT_FALSE(check.passed) << to_string(type) << ' ' << to_string(op) << ' ' << ranks;
        EXPECT_GT(check.wrong, 0);
      }
    }
  }
}

TEST(TestData, NamesTheFirstWrongElement) {
  auto result = combine_all(2, {.elements = 200000, .type = DataType::int32, .op = ReduceOp::sum});
  for (const std::size_t element : {70000U, 150000U}) result.output[element * 4] ^= std::byte{1};
  const auto check = checked(result);
  EXPECT_FALSE(check.passed);
  EXPECT_EQ(check.wrong, 2);
  EXPECT_EQ(check.worst_error, 1);
  EXPECT_EQ(check.first_wrong.substr(0, 22), "rank 0 output[70000]: ");
}

TEST(TestData, IsTheSameWhereItIsKept) {
  for (const auto type : all_data_types()) {
    for (const auto op : all_reduce_ops()) {
      auto result = combine_all(3, {.elements = 2500, .type = type, .op = op});
      auto kept = result.data;
      kept.keep(2);
      std::vector<std::byte> again(result.output.size());
      for (int r = 0; r < 3; ++r) {
        kept.fill(0, Rank{r}, again);
        EXPECT_EQ(again, result.inputs[static_cast<std::size_t>(r)]);
      }
      const Received copy{Rank{0}, 7, result.output};
      for (const std::size_t broken : {0U, 1U}) {
        if (broken > 0) result.output[1500 * static_cast<std::size_t>(size_of(type))] ^= std::byte{0x41};
        const auto one = result.data.check(0, {&copy, 1}, 1);
        const auto other = kept.check(0, {&copy, 1}, 2);
        EXPECT_EQ(one.wrong, other.wrong) << to_string(type) << ' ' << to_string(op);
        EXPECT_EQ(one.elements, other.elements);
        EXPECT_EQ(one.worst_error, other.worst_error) << to_string(type) << ' ' << to_string(op);
        EXPECT_EQ(one.first_wrong, other.first_wrong);
      }
    }
  }
}

TEST(TestData, NeverPassesPoison) {
  for (const auto type : all_data_types()) {
    auto result = combine_all(3, {.elements = 1000, .type = type, .op = ReduceOp::sum});
    poison(type, result.output);
    EXPECT_GT(checked(result).wrong, 900) << to_string(type);
  }
}

TEST(Combine, TruncatesIntegerAveragesTowardsZeroAndWrapsSums) {
  const std::array<std::int8_t, 2> a{-4, 100};
  const std::array<std::int8_t, 2> b{-3, 100};
  std::array<std::int8_t, 2> sum{};
  const auto bytes = [](auto& values) { return reinterpret_cast<std::byte*>(values.data()); };
  const std::array<const std::byte*, 2> sources{reinterpret_cast<const std::byte*>(a.data()), reinterpret_cast<const std::byte*>(b.data())};
  const std::array<std::byte*, 1> destinations{bytes(sum)};
  combine({DataType::int8, ReduceOp::average, 2}, sources, destinations, 2);
  EXPECT_EQ(sum[0], -3);   // -7 / 2
  EXPECT_EQ(sum[1], -28);  // (200 - 256) / 2
}

TEST(Combine, AddsHalvesInFloatAndRoundsOnce) {
  // 2048 + 1 + 1: in half after each addition 2048, in float 2050.
  const std::array<std::uint16_t, 3> values{0x6800, 0x3c00, 0x3c00};
  std::array<const std::byte*, 3> sources{};
  for (std::size_t i = 0; i < 3; ++i) sources[i] = reinterpret_cast<const std::byte*>(&values[i]);
  std::uint16_t sum = 0;
  const std::array<std::byte*, 1> destinations{reinterpret_cast<std::byte*>(&sum)};
  combine({DataType::float16, ReduceOp::sum, 1}, sources, destinations, 1);
  EXPECT_EQ(sum, 0x6801);  // 2050: the next half after 2048
}

}  // namespace
}  // namespace p2plab::reference_data_test
