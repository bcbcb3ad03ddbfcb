// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/layout.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "p2plab/schedule/block_parts.h"

namespace p2plab {

namespace {

std::int64_t sum_of_shares(std::span<const Block> blocks) {
  return std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0}, [](std::int64_t sum, const Block& b) { return sum + b.share; });
}

// part / whole of `amount`, rounded down, without overflow.
std::int64_t scaled(std::int64_t amount, std::int64_t part, std::int64_t whole) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(static_cast<Wide>(amount) * part / whole);
}

// Of `elements` dealt out in whole grains to so many parts, a grain more to the first ones; the last one takes what is less than a grain.
std::int64_t size_of_part(std::int64_t elements, int parts, int part, std::int64_t grain) {
  const auto grains = elements / grain;
  const auto mine = grains / parts + (part < grains % parts ? 1 : 0);
  return mine * grain + (part == parts - 1 ? elements % grain : 0);
}

struct WeighedBlock {
  std::int64_t first = 0;  // weight of the first image's chunks
  std::int64_t here = 0;   // and of those of the image at hand
  int image = -1;
  int images = 0;
  bool alike = true;
};

void end_image(WeighedBlock& block) {
  if (block.images == 1) block.first = block.here;
  block.alike = block.alike && block.here == block.first;
}

}  // namespace

std::size_t blocks_per_payload(const Collective& collective, std::size_t blocks) {
  switch (collective.kind) {
    case CollectiveKind::all_to_all: return collective.members.size();
    case CollectiveKind::send_receive: return 1;
    default: return blocks;
  }
}

std::vector<int> equal_parts(const Schedule& schedule) {
  std::vector<WeighedBlock> blocks(schedule.blocks().size());
  const auto chunks = schedule.chunks();
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    auto& block = blocks[static_cast<std::size_t>(chunks[c].block)];
    const auto image = static_cast<int>(c / schedule.base_chunk_count());
    if (image != block.image) {
      if (block.images > 0) end_image(block);
      block.image = image;
      block.here = 0;
      ++block.images;
    }
    block.here += chunks[c].weight;
  }
  std::vector<int> parts;
  for (auto& block : blocks) {
    end_image(block);
    parts.push_back(block.alike ? std::max(1, block.images) : 1);
  }
  return parts;
}

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
  const auto parts = equal_parts(schedule);
  const std::int64_t grain = 16 / size_of(payload.type);
  // Of a block: the part at hand, and how far it is cut.
  struct Cutting {
    int part = -1;
    int image = -1;
    std::int64_t begin = 0;
    std::int64_t size = 0;
    std::int64_t passed = 0;    // weight of its chunks so far
    std::int64_t boundary = 0;  // where the next chunk begins
  };
  std::vector<Cutting> blocks(elements.size());
  std::vector<std::int64_t> weight(elements.size());
  for (const auto& chunk : schedule.chunks()) weight[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  std::vector<ChunkExtent> extents;
  extents.reserve(schedule.chunks().size());
  for (const auto& chunk : schedule.chunks()) {
    const auto b = static_cast<std::size_t>(chunk.block);
    const auto image = static_cast<int>(extents.size() / schedule.base_chunk_count());
    auto& block = blocks[b];
    if (block.part < 0 || (parts[b] > 1 && image != block.image)) {
      ++block.part;
      block.image = image;
      block.begin += std::exchange(block.size, size_of_part(elements[b], parts[b], block.part, grain));
      block.passed = 0;
    }
    block.passed += chunk.weight;
    const auto whole = weight[b] / parts[b];
    const auto within = block.passed == whole ? block.size : scaled(block.size, block.passed, whole) / grain * grain;
    extents.push_back({block.boundary, block.begin + within - block.boundary});
    block.boundary = block.begin + within;
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
BufferLayout::Sides BufferLayout::sides(std::span<const Block> blocks, int ranks, const std::vector<std::int64_t>& bytes, RankList Block::*holders) {
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
