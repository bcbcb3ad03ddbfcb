// SPDX-License-Identifier: Apache-2.0
// How messages are shared out among communicators: both ends cut them alike, for they know their bytes alone.
#include "network/sharing.h"

#include <gtest/gtest.h>

namespace p2plab::runtime::sharing_test {
namespace {

TEST(Sharing, GivesPartsThatAreTheWholeMessageOnceInItsOrder) {
  for (const std::int64_t bytes : {1, 1000, 262144, 524287, 524288, 1048577, 16777216, 16777219}) {
    for (int carriers = 1; carriers <= 8; ++carriers) {
      std::int64_t at = 0;
      const auto parts = parts_of({Rank{3}, nullptr, bytes}, {.carriers = carriers});
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

TEST(Sharing, CutsNoMessageThatIsShort) {
  const auto parts = [](Bytes message, const Sharing& sharing) { return parts_of({Rank{0}, nullptr, message.count()}, sharing).size(); };
  EXPECT_EQ(parts(Bytes{(128_KiB).count() - 1}, {.carriers = 4}), 1U);
  EXPECT_EQ(parts(128_KiB, {.carriers = 4}), 2U);
  EXPECT_EQ(parts(4_MiB, {.carriers = 4}), 4U);
  EXPECT_EQ(parts(256_KiB, {.carriers = 8, .least = 256_KiB}), 1U);
  EXPECT_EQ(parts(512_KiB, {.carriers = 8, .least = 64_KiB}), 8U);
}

}  // namespace
}  // namespace p2plab::runtime::sharing_test
