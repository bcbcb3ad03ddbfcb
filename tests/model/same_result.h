// SPDX-License-Identifier: Apache-2.0
// A folded program's simulation beside the whole one's.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>

#include "p2plab/simulator/simulate.h"

namespace p2plab::test {

inline void expect_same(const SimResult& folded, const SimResult& whole) {
  EXPECT_EQ(folded.makespan, whole.makespan);
  EXPECT_EQ(folded.busiest, whole.busiest);
  EXPECT_EQ(folded.bound, whole.bound);
  EXPECT_EQ(folded.period, whole.period);
  EXPECT_EQ(folded.rank_finish, whole.rank_finish);
  EXPECT_EQ(folded.rank_free, whole.rank_free);
  EXPECT_EQ(folded.slices, whole.slices);
  EXPECT_EQ(folded.transfers, whole.transfers);
  ASSERT_EQ(folded.uses.size(), whole.uses.size());
  for (std::size_t u = 0; u < whole.uses.size(); ++u) {
    EXPECT_EQ(folded.uses[u].name, whole.uses[u].name);
    EXPECT_EQ(folded.uses[u].bytes, whole.uses[u].bytes) << whole.uses[u].name;
    EXPECT_EQ(folded.uses[u].busy, whole.uses[u].busy) << whole.uses[u].name;
  }
}

}  // namespace p2plab::test
