// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/layout.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace p2plab {

namespace {

// How many consecutive blocks share one payload.
std::size_t blocks_per_payload(const Collective& collective, std::size_t blocks) {
  switch (collective.kind) {
    case CollectiveKind::all_to_all: return collective.members.size();
    case CollectiveKind::send_receive: return 1;
    default: return blocks;
  }
}

std::int64_t sum_of_shares(std::span<const Block> blocks) {
  return std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0}, [](std::int64_t sum, const Block& b) { return sum + b.share; });
}

// part / whole of `amount`, rounded down, without overflow.
std::int64_t scaled(std::int64_t amount, std::int64_t part, std::int64_t whole) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(static_cast<Wide>(amount) * part / whole);
}

}  // namespace

std::vector<double> block_fractions(const Collective& collective, std::span<const Block> blocks) {
  std::vector<double> fractions(blocks.size());
  const auto stride = blocks_per_payload(collective, blocks.size());
  for (std::size_t begin = 0; begin < blocks.size(); begin += stride) {
    const auto total = static_cast<double>(sum_of_shares(blocks.subspan(begin, stride)));
    for (std::size_t b = begin; b < begin + stride && total > 0; ++b) fractions[b] = static_cast<double>(blocks[b].share) / total;
  }
  return fractions;
}

std::vector<std::int64_t> block_elements(const Collective& collective, std::span<const Block> blocks, const Payload& payload) {
  std::vector<std::int64_t> elements(blocks.size());
  const auto stride = blocks_per_payload(collective, blocks.size());
  for (std::size_t begin = 0; begin < blocks.size(); begin += stride) {
    const auto total = sum_of_shares(blocks.subspan(begin, stride));
    if (total == 0) continue;
    auto left = payload.elements;
    for (std::size_t b = begin; b < begin + stride; ++b) left -= elements[b] = scaled(payload.elements, blocks[b].share, total);
    for (std::size_t b = begin; b < begin + stride && left > 0; ++b) {
      if (blocks[b].share == 0) continue;
      ++elements[b];
      --left;
    }
  }
  return elements;
}

std::vector<ChunkExtent> cut(const Schedule& schedule, const Payload& payload) {
  const auto elements = block_elements(schedule.collective(), schedule.blocks(), payload);
  const std::int64_t grain = 16 / size_of(payload.type);
  std::vector<std::int64_t> weight(schedule.blocks().size());
  for (const auto& chunk : schedule.chunks()) weight[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  std::vector<std::int64_t> passed(weight.size());    // weight of the chunks so far, by block
  std::vector<std::int64_t> boundary(weight.size());  // where the next chunk begins
  std::vector<ChunkExtent> extents;
  for (const auto& chunk : schedule.chunks()) {
    const auto b = static_cast<std::size_t>(chunk.block);
    passed[b] += chunk.weight;
    const auto end = passed[b] == weight[b] ? elements[b] : scaled(elements[b], passed[b], weight[b]) / grain * grain;
    extents.push_back({boundary[b], end - boundary[b]});
    boundary[b] = end;
  }
  return extents;
}

std::int64_t BufferLayout::Side::find(std::int32_t block) const {
  const auto found = std::ranges::lower_bound(places, block, {}, &Place::block);
  return found != places.end() && found->block == block ? found->offset : -1;
}

BufferLayout::BufferLayout(const Collective& collective, std::span<const Block> blocks, int ranks, const Payload& payload) {
  auto bytes = block_elements(collective, blocks, payload);
  for (auto& count : bytes) count *= size_of(payload.type);
  inputs_ = sides(blocks, ranks, bytes, &Block::contributors);
  outputs_ = sides(blocks, ranks, bytes, &Block::receivers);
}

// At first all ranks are alike; each block parts those that hold it from those that do not.
BufferLayout::Sides BufferLayout::sides(std::span<const Block> blocks, int ranks, const std::vector<std::int64_t>& bytes,
                                        std::vector<Rank> Block::*holders) {
  Sides sides{{}, std::vector<std::size_t>(static_cast<std::size_t>(ranks))};
  std::vector<std::size_t> size{sides.of_rank.size()};
  std::vector<std::size_t> held(1);    // of each side, by the block at hand
  std::vector<std::size_t> parted(1);  // which side these go to; 0: none
  std::vector<std::size_t> left;       // the sides that they leave
  for (const auto& block : blocks) {
    for (const auto rank : block.*holders) ++held[sides.of_rank[rank.index()]];
    for (const auto rank : block.*holders) {
      const auto side = sides.of_rank[rank.index()];
      if (held[side] == 0 || held[side] == size[side]) continue;
      if (parted[side] == 0) {
        left.push_back(side);
        parted[side] = size.size();
        size.push_back(0);
        held.push_back(0);
        parted.push_back(0);
      }
      sides.of_rank[rank.index()] = parted[side];
      ++size[parted[side]];
    }
    for (const auto rank : block.*holders) held[sides.of_rank[rank.index()]] = 0;
    for (const auto side : left) {
      size[side] -= held[side];
      held[side] = parted[side] = 0;
    }
    left.clear();
  }
  sides.all.resize(size.size());
  std::vector<std::int32_t> last(size.size(), -1);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (const auto rank : blocks[b].*holders) {
      const auto at = sides.of_rank[rank.index()];
      if (std::exchange(last[at], static_cast<std::int32_t>(b)) == static_cast<std::int32_t>(b)) continue;
      auto& side = sides.all[at];
      side.places.push_back({static_cast<std::int32_t>(b), side.size});
      side.size += bytes[b];
    }
  }
  return sides;
}

bool BufferLayout::shares(Rank rank) const {
  const auto& input = inputs_.of(rank);
  const auto& output = outputs_.of(rank);
  const bool input_is_smaller = input.size <= output.size;
  const auto distance = output_within_input(rank);
  return std::ranges::all_of((input_is_smaller ? input : output).places, [&](const Place& place) {
    const auto there = (input_is_smaller ? output : input).find(place.block);
    return there >= 0 && (input_is_smaller ? place.offset - there : there - place.offset) == distance;
  });
}

std::int64_t BufferLayout::output_within_input(Rank rank) const {
  for (const auto& place : outputs_.of(rank).places) {
    const auto offset = input_offset(rank, place.block);
    if (offset >= 0) return offset - place.offset;
  }
  return 0;
}

}  // namespace p2plab
