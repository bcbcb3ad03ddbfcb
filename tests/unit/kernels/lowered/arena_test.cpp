// SPDX-License-Identifier: Apache-2.0
// Regions of an arena: where they lie, how they come back, when it grows.
#include "lowered/arena.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace p2plab::arena_test {
namespace {

// An arena whose extents lie side by side from 1 MiB on, as allocations may; it counts them.
struct Made {
  int extents = 0;
  std::uint64_t next = 1 << 20;
  Arena arena{[this](Bytes size) -> Result<Extent> {
                ++extents;
                const auto address = next;
                next += static_cast<std::uint64_t>(size.count());
                return Extent{address, size};
              },
              Bytes{4096}};
};

TEST(Arena, GrowsOnlyWhenNoHoleIsLongEnough) {
  Made made;
  const auto first = *made.arena.take(Bytes{1000});
  EXPECT_EQ(first.size(), Bytes{1024});
  const auto second = *made.arena.take(Bytes{3072});
  EXPECT_EQ(made.extents, 1);
  EXPECT_EQ(made.arena.held(), Bytes{4096});
  EXPECT_EQ(made.arena.lent(), Bytes{4096});
  const auto third = *made.arena.take(Bytes{10'000});
  EXPECT_EQ(made.extents, 2);
  EXPECT_EQ(made.arena.held(), Bytes{4096 + 10'240});
}

TEST(Arena, WhatComesBackIsOneHoleAgainButNeverAcrossExtents) {
  Made made;
  {
    const auto a = *made.arena.take(Bytes{1024});
    auto b = *made.arena.take(Bytes{1024});
    const auto c = *made.arena.take(Bytes{2048});
    const auto d = *made.arena.take(Bytes{4096});  // an extent of its own, just behind the first
    b = {};
    EXPECT_EQ(made.arena.take(Bytes{1024})->address(), a.address() + 1024);
  }
  EXPECT_EQ(made.extents, 2);
  EXPECT_EQ(made.arena.lent(), Bytes{0});
  const auto all = *made.arena.take(Bytes{4096});
  const auto rest = *made.arena.take(Bytes{4096});
  EXPECT_EQ(made.extents, 2);
  const auto more = *made.arena.take(Bytes{8192});
  EXPECT_EQ(made.extents, 3);
}

TEST(Arena, NothingIsStillAUnit) {
  Made made;
  const auto a = *made.arena.take(Bytes{0});
  const auto b = *made.arena.take(Bytes{0});
  EXPECT_EQ(b.address() - a.address(), static_cast<std::uint64_t>(Arena::unit));
}

TEST(Arena, RegionsOutliveIt) {
  Arena::Region region;
  {
    Made made;
    region = *made.arena.take(Bytes{1});
  }
  EXPECT_NE(region.address(), 0U);
}

TEST(Arena, SaysWhatItsSourceSays) {
  Arena arena{[](Bytes) -> Result<Extent> { return Error{ErrorCode::device_failure, "full"}; }, Bytes{1}};
  const auto region = arena.take(Bytes{1});
  ASSERT_FALSE(region);
  EXPECT_EQ(region.error().message, "full");
  EXPECT_EQ(arena.lent(), Bytes{0});
}

TEST(Arena, NoTwoRegionsOverlapWhateverComesAndGoes) {
  Made made;
  std::mt19937 random(1);
  std::vector<Arena::Region> regions;
  for (int step = 0; step < 2000; ++step) {
    if (!regions.empty() && random() % 2 == 0) {
      std::swap(regions[random() % regions.size()], regions.back());
      regions.pop_back();
      continue;
    }
    regions.push_back(*made.arena.take(Bytes{static_cast<std::int64_t>(random() % 5000)}));
    std::set<std::pair<std::uint64_t, std::uint64_t>> places;
    for (const auto& region : regions) places.emplace(region.address(), region.address() + static_cast<std::uint64_t>(region.size().count()));
    for (auto place = places.begin(); std::next(place) != places.end(); ++place) ASSERT_LE(place->second, std::next(place)->first);
  }
  Bytes lent{0};
  for (const auto& region : regions) lent += region.size();
  EXPECT_EQ(made.arena.lent(), lent);
  regions.clear();
  EXPECT_EQ(made.arena.lent(), Bytes{0});
}

}  // namespace
}  // namespace p2plab::arena_test
