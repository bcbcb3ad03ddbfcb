// SPDX-License-Identifier: Apache-2.0
// How messages are shared out among communicators: both ends cut them alike, for they know their bytes alone.
#include "network/carriers.h"

#include <gtest/gtest.h>

namespace p2plab::runtime {
namespace {

TEST(Carriers, TakePartsThatAreTheWholeMessageOnceInItsOrder) {
  for (const std::int64_t bytes : {1, 1000, 262144, 524287, 524288, 1048577, 16777216, 16777219}) {
    for (int carriers = 1; carriers <= 8; ++carriers) {
      std::int64_t at = 0;
      const auto parts = parts_of({Rank{3}, nullptr, bytes}, carriers);
      EXPECT_LE(parts.size(), static_cast<std::size_t>(carriers));
      for (const auto& part : parts) {
        EXPECT_EQ(part.peer, Rank{3});
        EXPECT_EQ(reinterpret_cast<std::int64_t>(part.memory), at);
        EXPECT_EQ(at % 16, 0);
        EXPECT_GT(part.bytes, 0);
        at += part.bytes;
      }
      EXPECT_EQ(at, bytes);
    }
  }
}

TEST(Carriers, ShareNoMessageThatIsShort) {
  EXPECT_EQ(parts_of({Rank{0}, nullptr, (512_KiB).count() - 1}, 4).size(), 1U);
  EXPECT_EQ(parts_of({Rank{0}, nullptr, (512_KiB).count()}, 4).size(), 2U);
  EXPECT_EQ(parts_of({Rank{0}, nullptr, (4_MiB).count()}, 4).size(), 4U);
}

}  // namespace
}  // namespace p2plab::runtime
