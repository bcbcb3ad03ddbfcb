// SPDX-License-Identifier: Apache-2.0
#include "islands/three_steps.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace p2plab {

namespace {

// Islands that one thread block sends results to: it adds them up no quicker than it sends them to twice as many, and the first would arrive with the
// last.
constexpr std::size_t most_at_once = 16;

// The islands in turn, that of whoever reduces the shard first.
class Islands {
 public:
  Islands(const Hierarchy& hierarchy, const InCharge& shard) : hierarchy_(hierarchy), digits_(shard.digits), parts_(hierarchy.islands(1).front()) {
    first_ = digits_[1] % parts_.size();
  }

  std::size_t count() const { return parts_.size(); }
  Rank in_charge(std::size_t k) const { return hierarchy_.stands_for(1, part(k), digits_); }
  std::vector<Rank> members(std::size_t k) const {
    std::vector<Rank> all{in_charge(k)};
    for (const auto member : hierarchy_.islands(0)[part(k)]) {
      if (const auto rank = hierarchy_.stands_for(0, member, digits_); rank != all.front()) all.push_back(rank);
    }
    return all;
  }

 private:
  std::size_t part(std::size_t k) const { return parts_[(first_ + k) % parts_.size()]; }

  const Hierarchy& hierarchy_;
  const std::vector<std::size_t>& digits_;
  const std::vector<std::size_t>& parts_;
  std::size_t first_ = 0;
};

}  // namespace

void list_read_sums(DataFlow& flow, const Hierarchy& hierarchy, std::span<const InCharge> shards) {
  for (const auto& shard : shards) {
    const Islands islands(hierarchy, shard);
    // The reducer's own island first, before it holds what others send.
    for (std::size_t k = 0; k < islands.count(); ++k) {
      const auto [out, in] = hierarchy.crossing(islands.in_charge(k), islands.in_charge(0));
      flow.transfer(out, islands.members(k), std::array{in}, shard.chunk);
      if (in != islands.in_charge(0)) flow.push(in, islands.in_charge(0), shard.chunk);
    }
  }
}

void list_reading(DataFlow& flow, const Hierarchy& hierarchy, std::span<const InCharge> shards) {
  list_read_sums(flow, hierarchy, shards);
  for (const auto& shard : shards) {
    const Islands islands(hierarchy, shard);
    std::vector<std::vector<Rank>> others(std::max<std::size_t>(1, (islands.count() - 1 + most_at_once - 1) / most_at_once));
    std::vector<std::array<Rank, 3>> detours;
    for (std::size_t k = 1; k < islands.count(); ++k) {
      const auto to = islands.in_charge(k);
      const auto [out, in] = hierarchy.crossing(islands.in_charge(0), to);
      const auto next = out == islands.in_charge(0) ? in : out;
      // A member that passes it on to several islands gets it once.
      const bool has_it = next != to && std::ranges::any_of(others, [&](const auto& group) { return std::ranges::find(group, next) != group.end(); });
      if (!has_it) others[(k - 1) * others.size() / (islands.count() - 1)].push_back(next);
      if (next != to) detours.push_back({out, in, to});
    }
    flow.push_apart(islands.in_charge(0), others, shard.chunk);
    for (const auto& [out, in, to] : detours) {
      if (out != islands.in_charge(0)) flow.push(out, in, shard.chunk);
      if (in != to) flow.push(in, to, shard.chunk);
    }
  }
  for (const auto& shard : shards) {
    const Islands islands(hierarchy, shard);
    for (std::size_t k = 0; k < islands.count(); ++k) flow.push(islands.in_charge(k), islands.members(k), shard.chunk);
  }
}

std::vector<Rank> holders_of(const Hierarchy& hierarchy, std::size_t digit) {
  std::vector<Rank> holders;
  for (const auto island : hierarchy.islands(1).front()) holders.push_back(hierarchy.stands_for(1, island, {digit, 0}));
  return holders;
}

namespace {

// A chunk for each of `digits`.
void list_shards(DataFlow& flow, const Hierarchy& hierarchy, std::span<const std::size_t> digits) {
  std::vector<std::pair<ChunkId, std::vector<Rank>>> shards;
  std::vector<Move> in;
  std::vector<Move> out;
  for (const auto digit : digits) {
    const auto chunk = flow.add_chunk({});
    shards.emplace_back(chunk, holders_of(hierarchy, digit));
    for (const auto holder : shards.back().second) {
      const auto& island = hierarchy.islands(0)[hierarchy.island_of(0, holder)];
      for (std::size_t k = 1; k < island.size(); ++k) {
        const auto place = (hierarchy.digits_of(holder)[0] + k) % island.size();
        const auto member = hierarchy.stands_for(0, island[place], {digit, 0});
        in.push_back({static_cast<int>(k), chunk, member, holder});
        out.push_back({0, chunk, holder, member});
      }
    }
  }
  push_in_rounds(flow, std::move(in));
  for (const auto& [chunk, holders] : shards) flow.exchange(holders, chunk);
  push_in_rounds(flow, std::move(out));
}

}  // namespace

std::vector<Chunk> exchange_shards(DataFlow& flow, const Hierarchy& hierarchy, bool only_first) {
  std::vector<std::size_t> digits(only_first ? 1 : hierarchy.width(0));
  std::iota(digits.begin(), digits.end(), std::size_t{0});
  list_shards(flow, hierarchy, digits);
  return std::vector<Chunk>(hierarchy.width(0) - digits.size());
}

}  // namespace p2plab
