// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/even_payloads.h"

#include <gtest/gtest.h>

#include "p2plab/schedule/block_parts.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::even_payloads_test {
namespace {

// Images turn a ring; in each, chunks of these weights of the blocks named, moved.
Schedule turning(CollectiveKind kind, int ranks, const std::vector<Chunk>& base) {
  const auto collective = make_collective(kind, ranks);
  auto builder = *Schedule::Builder::create(collective, ranks);
  const auto blocks = static_cast<std::int32_t>(builder.blocks().size());
  std::vector<ScheduleImage> images(static_cast<std::size_t>(ranks));
  for (int i = 0; i < ranks; ++i) {
    for (auto chunk : base) {
      chunk.block = blocks == 1 ? 0 : (chunk.block + i) % blocks;
      builder.add_chunk(chunk);
    }
    for (int r = 0; r < ranks; ++r) images[static_cast<std::size_t>(i)].ranks.emplace_back((r + i) % ranks);
  }
  builder.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{0}, ChunkId{0}));
  builder.fold(std::move(images));
  return *std::move(builder).build();
}

std::vector<std::int64_t> counts(const Schedule& schedule, std::int64_t elements) {
  std::vector<std::int64_t> all;
  for (const auto& extent : cut(schedule, {.elements = elements})) all.push_back(extent.count);
  return all;
}

TEST(Cut, GivesImagesThatShareABlockSixteenBytesMoreOrLess) {
  const auto schedule = turning(CollectiveKind::all_reduce, 3, {{0, 1, 0}, {0, 3, 0}});
  EXPECT_EQ(equal_parts(schedule), std::vector{3});
  EXPECT_EQ(counts(schedule, 48), (std::vector<std::int64_t>{4, 12, 4, 12, 4, 12}));
  // 13 grains of four floats and three floats: 5, 4 and 4, and what is left to the last chunk.
  EXPECT_EQ(counts(schedule, 55), (std::vector<std::int64_t>{4, 16, 4, 12, 4, 15}));
  EXPECT_EQ(counts(schedule, 2), (std::vector<std::int64_t>{0, 0, 0, 0, 0, 2}));
  std::int64_t next = 0;
  for (const auto& extent : cut(schedule, {.elements = 55})) {
    EXPECT_EQ(extent.first, next);
    next += extent.count;
  }
  EXPECT_EQ(next, 55);
}

TEST(EvenPayloads, AreMultiplesOfSixteenBytesAnImageWhereImagesShareABlock) {
  const auto schedule = turning(CollectiveKind::all_reduce, 3, {{0, 1, 0}, {0, 3, 0}});
  const auto around = *even_payloads(schedule, {.elements = 55});
  EXPECT_EQ(around.below.elements, 48);
  EXPECT_EQ(around.above.elements, 60);
  EXPECT_FALSE(around.same());
  EXPECT_TRUE(even_payloads(schedule, {.elements = 48})->same());
  EXPECT_TRUE(even_payloads(schedule, {.elements = 0})->same());
  EXPECT_EQ(even_payloads(schedule, {.elements = 1, .type = DataType::int8})->above.elements, 48);
}

TEST(EvenPayloads, AreMultiplesOfAnElementABlockWhereEachImageHasItsOwn) {
  const auto gather = turning(CollectiveKind::all_gather, 3, {{0, 1, 0}, {0, 2, 0}});
  EXPECT_EQ(equal_parts(gather), (std::vector{1, 1, 1}));
  EXPECT_EQ(even_payloads(gather, {.elements = 55})->above.elements, 57);
  EXPECT_EQ(even_payloads(gather, {.elements = 55})->below.elements, 54);
  EXPECT_TRUE(even_payloads(gather, {.elements = 57})->same());
  // A part of every block in each image: multiples of nine times 16 bytes.
  const auto parts = turning(CollectiveKind::reduce_scatter, 3, {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}});
  EXPECT_FALSE(even_payloads(parts, {.elements = 100}));
  EXPECT_TRUE(even_payloads(parts, {.elements = 108})->same());
}

TEST(EvenPayloads, AreNoneWhereImagesHaveOtherWeights) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, 2), 2);
  builder.add_chunk({0, 1, 0});
  builder.add_chunk({0, 2, 0});
  builder.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  builder.fold({{.ranks = {Rank{0}, Rank{1}}}, {.ranks = {Rank{1}, Rank{0}}}});
  const auto schedule = *std::move(builder).build();
  EXPECT_EQ(equal_parts(schedule), std::vector{1});
  EXPECT_FALSE(even_payloads(schedule, {.elements = 64}));
}

}  // namespace
}  // namespace p2plab::even_payloads_test
