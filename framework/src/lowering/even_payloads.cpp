// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/even_payloads.h"

#include <numeric>
#include <vector>

#include "p2plab/schedule/block_parts.h"
#include "p2plab/schedule/layout.h"

namespace p2plab {

namespace {

constexpr std::int64_t grain_bytes = 16;

// Does every image have the base's chunks?
bool is_even(const Schedule& schedule, const Payload& payload) {
  const auto extents = cut(schedule, payload);
  const auto count = schedule.base_chunk_count();
  for (std::size_t c = count; c < extents.size(); ++c) {
    if (extents[c].count != extents[c % count].count) return false;
  }
  return true;
}

std::optional<std::int64_t> common_multiple(std::int64_t a, std::int64_t b) {
  const auto factor = b / std::gcd(a, b);
  return a <= Payload::most_bytes / factor ? std::optional(a * factor) : std::nullopt;
}

// Multiples of so many elements give blocks whole numbers of elements by their shares, and images whole grains of blocks that they share.
std::optional<std::int64_t> even_multiple(const Schedule& schedule, DataType type) {
  const auto blocks = schedule.blocks();
  const auto parts = equal_parts(schedule);
  const auto grain = grain_bytes / size_of(type);
  const auto stride = blocks_per_payload(schedule.collective(), blocks.size());
  std::optional<std::int64_t> multiple = 1;
  for (std::size_t begin = 0; begin < blocks.size(); begin += stride) {
    std::int64_t common = 0;  // measure of all shares
    std::int64_t sum = 0;
    for (auto b = begin; b < begin + stride; ++b) {
      common = std::gcd(common, blocks[b].share);
      sum += blocks[b].share;
    }
    if (sum == 0) continue;
    std::optional<std::int64_t> units = 1;  // of the least payload whose blocks are whole
    for (auto b = begin; b < begin + stride && units; ++b) {
      if (blocks[b].share == 0 || parts[b] == 1) continue;
      const auto wanted = parts[b] * grain;
      units = common_multiple(*units, wanted / std::gcd(wanted, blocks[b].share / common));
    }
    if (!units || *units > Payload::most_bytes / (sum / common)) return std::nullopt;
    multiple = common_multiple(*multiple, sum / common * *units);
    if (!multiple) return std::nullopt;
  }
  return multiple;
}

}  // namespace

std::optional<EvenPayloads> even_payloads(const Schedule& schedule, const Payload& payload) {
  if (!schedule.folding().folded()) return std::nullopt;
  if (is_even(schedule, payload)) return EvenPayloads{payload, payload};
  const auto multiple = even_multiple(schedule, payload.type);
  if (!multiple || *multiple * size_of(payload.type) > grain_bytes * schedule.ranks()) return std::nullopt;
  EvenPayloads even{payload, payload};
  even.below.elements = payload.elements / *multiple * *multiple;
  even.above.elements = even.below.elements + *multiple;
  if (even.above.elements > Payload::most_bytes / size_of(payload.type) || !is_even(schedule, even.above)) return std::nullopt;
  return even;
}

}  // namespace p2plab
