// SPDX-License-Identifier: Apache-2.0
// What a collective operation promises: who holds what before, who must hold what after. Written once, for planner and verifier alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/base/result.h"

namespace p2plab {

enum class CollectiveKind { all_reduce, reduce_scatter, all_gather, broadcast, reduce, gather, scatter, all_to_all, send_receive };

std::string_view to_string(CollectiveKind kind);
Result<CollectiveKind> collective_kind(std::string_view name);
/// All kinds, in order.
std::vector<CollectiveKind> all_collective_kinds();

/// One collective among some ranks. How much data it moves is a Payload's business, not this one's.
struct Collective {
  CollectiveKind kind = CollectiveKind::all_reduce;
  /// The process group, in its order; other ranks may relay but neither give nor get.
  std::vector<Rank> members;
  /// broadcast, reduce, gather, scatter: must be a member.
  Rank root{0};
  /// Members that contribute nothing (they still receive).
  std::vector<Rank> silent = {};
  /// Relative size of each member's block (all_gather, reduce_scatter, gather, scatter), in member order; empty means equal.
  std::vector<std::int64_t> shares = {};
  /// send_receive: (sender, receiver), one block each.
  std::vector<std::pair<Rank, Rank>> pairs = {};
};

/// A collective of `kind` among ranks 0..ranks-1. send_receive pairs each rank with the next one around.
Collective make_collective(CollectiveKind kind, int ranks, Rank root = Rank{0});

/// Ranks in an order. Copies share them: thousands of blocks may have the same.
class RankList {
 public:
  RankList() = default;
  RankList(std::vector<Rank> ranks) : ranks_(std::make_shared<const std::vector<Rank>>(std::move(ranks))) {}
  RankList(std::initializer_list<Rank> ranks) : RankList(std::vector<Rank>(ranks)) {}

  const Rank* begin() const& { return ranks_ ? ranks_->data() : nullptr; }
  const Rank* end() const& { return begin() + size(); }
  const Rank* begin() && = delete;
  const Rank* end() && = delete;
  std::size_t size() const { return ranks_ ? ranks_->size() : 0; }
  bool empty() const { return size() == 0; }
  Rank front() const { return (*ranks_)[0]; }
  Rank operator[](std::size_t i) const { return (*ranks_)[i]; }
  friend bool operator==(const RankList& a, const RankList& b) { return a.ranks_ == b.ranks_ || std::equal(a.begin(), a.end(), b.begin(), b.end()); }

 private:
  std::shared_ptr<const std::vector<Rank>> ranks_;
};

/// A part of the payload that has the same senders and the same receivers throughout.
struct Block {
  std::int64_t share = 1;
  /// Ranks in whose input the block lies; the result is the reduction over all of them.
  RankList contributors;
  /// Ranks in whose output the result must lie.
  RankList receivers;
};

/// Errors: no members, a repeated member or one outside 0..ranks-1, a root that is no member or is silent where it alone gives,
/// shares of the wrong number, negative or all zero, pairs outside the group, every member silent.
Status check(const Collective& collective, int ranks);

/// The contract. Errors: as `check` has them.
/// Blocks lie in buffers in this order: a rank's input holds the blocks it contributes to, its output those it receives. In-place operation
/// puts a block of the input where the same block lies in the output.
Result<std::vector<Block>> contract(const Collective& collective, int ranks);

/// Does the operation add contributions (all_reduce, reduce_scatter, reduce)?
bool reduces(CollectiveKind kind);
/// Has each member a block of its own, so that the payload is divided by shares?
bool sharded(CollectiveKind kind);
/// Has the operation a root (broadcast, reduce, gather, scatter)?
bool rooted(CollectiveKind kind);
/// busbw = algbw * this factor (nccl-tests' definition): 2(n-1)/n, (n-1)/n or 1.
double bus_factor(CollectiveKind kind, int members);

}  // namespace p2plab
