// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/layout.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace p2plab::layout_test {
namespace {

// Each block behind those of lower numbers in every buffer that holds it, counted one by one.
void expect_no_gaps(const Collective& collective, int ranks, std::int64_t elements) {
  const auto blocks = contract(collective, ranks);
  ASSERT_TRUE(blocks);
  const Payload payload{elements, DataType::float32, ReduceOp::sum};
  const BufferLayout layout(collective, *blocks, ranks, payload);
  const auto counts = block_elements(collective, *blocks, payload);
  for (int r = 0; r < ranks; ++r) {
    const Rank rank{r};
    std::int64_t input = 0;
    std::int64_t output = 0;
    for (std::size_t b = 0; b < blocks->size(); ++b) {
      const auto block = static_cast<std::int32_t>(b);
      const auto& one = (*blocks)[b];
      const bool gives = std::ranges::find(one.contributors, rank) != one.contributors.end();
      const bool gets = std::ranges::find(one.receivers, rank) != one.receivers.end();
      EXPECT_EQ(layout.input_offset(rank, block), gives ? input : -1) << to_string(collective.kind) << r << ' ' << b;
      EXPECT_EQ(layout.output_offset(rank, block), gets ? output : -1) << to_string(collective.kind) << r << ' ' << b;
      if (gives) input += counts[b] * 4;
      if (gets) output += counts[b] * 4;
    }
    EXPECT_EQ(layout.input_size(rank), Bytes{input});
    EXPECT_EQ(layout.output_size(rank), Bytes{output});
  }
}

TEST(BufferLayout, PutsBlocksOneBehindTheOtherWhoeverHoldsThem) {
  using enum CollectiveKind;
  for (const auto kind : {all_gather, reduce_scatter, all_reduce, broadcast, reduce, gather, scatter, all_to_all}) {
    for (const int ranks : {2, 5, 9}) {
      auto collective = make_collective(kind, ranks);
      expect_no_gaps(collective, ranks, 1001);
      expect_no_gaps(collective, ranks + 2, 64);  // two take no part
    }
  }
  auto pairs = make_collective(send_receive, 4);
  pairs.pairs = {{Rank{0}, Rank{1}}, {Rank{0}, Rank{2}}, {Rank{3}, Rank{2}}, {Rank{1}, Rank{2}}};
  expect_no_gaps(pairs, 4, 30);
  auto uneven = make_collective(all_gather, 4);
  uneven.shares = {3, 0, 1, 5};
  expect_no_gaps(uneven, 4, 100);
}

// Of 64 ranks there are 64 lists of one, and one of all.
TEST(Contract, KeepsEachListOfRanksOnce) {
  using enum CollectiveKind;
  const auto lists = [](CollectiveKind kind, int silent) {
    auto collective = make_collective(kind, 64);
    for (int r = 0; r < silent; ++r) collective.silent.push_back(Rank{r});
    std::set<const Rank*> all;
    const auto blocks = *contract(collective, 64);
    for (const auto& block : blocks) {
      for (const auto* list : {&block.contributors, &block.receivers}) {
        if (!list->empty()) all.insert(list->begin());
      }
    }
    return all.size();
  };
  EXPECT_EQ(lists(all_to_all, 0), 64U);
  EXPECT_EQ(lists(all_gather, 0), 65U);
  EXPECT_EQ(lists(all_gather, 2), 63U);
  EXPECT_EQ(lists(reduce_scatter, 0), 65U);
  EXPECT_EQ(lists(gather, 0), 65U);
}

}  // namespace
}  // namespace p2plab::layout_test
