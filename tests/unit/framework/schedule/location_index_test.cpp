// SPDX-License-Identifier: Apache-2.0
// Every location that a contract knows has a number of its own, and the others cost nothing.
#include <gtest/gtest.h>

#include <set>

#include "p2plab/schedule/dependencies.h"

namespace p2plab::location_index_test {
namespace {

Schedule one_chunk_a_block(const Collective& collective, int ranks) {
  auto builder = *Schedule::Builder::create(collective, ranks);
  for (std::size_t b = 0; b < builder.blocks().size(); ++b) builder.add_chunk({static_cast<std::int32_t>(b), 1, 0});
  return *std::move(builder).build();
}

// All that the contract names, and how many numbers they have together.
std::pair<std::size_t, std::size_t> named(const Schedule& schedule, bool in_place) {
  const LocationIndex index(schedule, in_place);
  std::set<std::pair<std::int32_t, std::size_t>> places;
  std::set<std::size_t> numbers;
  for (std::size_t c = 0; c < schedule.chunks().size(); ++c) {
    const ChunkId chunk{static_cast<std::int64_t>(c)};
    const auto& block = schedule.block_of(chunk);
    for (const auto rank : block.contributors) {
      places.insert({rank.value, in_place ? c : 2 * c});
      numbers.insert(index(input(rank, chunk)));
    }
    for (const auto rank : block.receivers) {
      places.insert({rank.value, in_place ? c : 2 * c + 1});
      numbers.insert(index(output(rank, chunk)));
    }
  }
  EXPECT_LT(*numbers.rbegin(), index.size());
  return {places.size(), numbers.size()};
}

TEST(LocationIndex, NumbersEachPlaceOfTheContractApart) {
  using enum CollectiveKind;
  for (const auto kind : {all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, reduce, gather, scatter, send_receive}) {
    for (const bool in_place : {false, true}) {
      const auto [places, numbers] = named(one_chunk_a_block(make_collective(kind, 7), 7), in_place);
      EXPECT_EQ(places, numbers) << to_string(kind) << in_place;
    }
  }
}

// A place at the sender and one at the receiver, and one for all that is not named; not 64 each.
TEST(LocationIndex, TakesTwoPlacesForAChunkOfOneSenderAndOneReceiver) {
  const auto schedule = one_chunk_a_block(make_collective(CollectiveKind::all_to_all, 64), 64);
  EXPECT_EQ(LocationIndex(schedule, false).size(), 2 * 64 * 64 + 1);
}

// Nobody gives what lies there, so it is nowhere else either.
TEST(LocationIndex, HasOneNumberForWhatNobodyNames) {
  const auto schedule = one_chunk_a_block(make_collective(CollectiveKind::all_to_all, 4), 4);
  const LocationIndex index(schedule, false);
  const auto& block = schedule.block_of(ChunkId{1});
  std::set<std::size_t> others;
  for (int r = 0; r < 4; ++r) {
    if (Rank{r} != block.contributors.front()) others.insert(index(input(Rank{r}, ChunkId{1})));
  }
  EXPECT_EQ(others, std::set<std::size_t>{index(output(block.contributors.front(), ChunkId{1}))});
}

}  // namespace
}  // namespace p2plab::location_index_test
