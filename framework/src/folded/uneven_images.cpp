// SPDX-License-Identifier: Apache-2.0
#include "folded/uneven_images.h"

#include <algorithm>

#include "lowering/chunk_groups.h"
#include "p2plab/schedule/layout.h"

namespace p2plab {

namespace {

constexpr std::size_t most_apart = 8;

// The chunks of an image, as some payload cuts them.
struct CutImage {
  const std::vector<ChunkExtent>* extents;
  std::size_t first;
  std::int64_t count(std::size_t chunk) const { return (*extents)[first + chunk].count; }
};

// Has each group in `image` the sizes that it has in one of `known`?
bool is_known(const CutImage& image, const std::vector<CutImage>& known, const std::vector<std::vector<std::size_t>>& groups) {
  return std::ranges::all_of(groups, [&](const std::vector<std::size_t>& chunks) {
    return std::ranges::any_of(known, [&](const CutImage& other) {
      return std::ranges::all_of(chunks, [&](std::size_t chunk) { return image.count(chunk) == other.count(chunk); });
    });
  });
}

}  // namespace

std::optional<FoldedPayload> folded_payload(const Schedule& schedule, const Proof& proof, const Payload& payload) {
  const auto even = even_payloads(schedule, payload);
  if (!even || !same_channels(schedule)) return std::nullopt;
  FoldedPayload found{*even};
  if (even->same()) return found;
  const ChunkGroups group_of(schedule, proof);
  const auto count = schedule.base_chunk_count();
  std::vector<std::vector<std::size_t>> groups(group_of.count());
  for (std::size_t c = 0; c < count; ++c) groups[group_of.of(ChunkId{static_cast<std::int64_t>(c)})].push_back(c);
  const auto below = cut(schedule, even->below);
  const auto above = cut(schedule, even->above);
  const auto extents = cut(schedule, payload);
  std::vector<CutImage> known{{&above, 0}, {&below, 0}};
  for (int i = 0; i < schedule.folding().images(); ++i) {
    const CutImage image{&extents, static_cast<std::size_t>(i) * count};
    if (is_known(image, known, groups)) continue;
    if (found.apart.size() == most_apart) return std::nullopt;
    found.apart.push_back(i);
    known.push_back(image);
  }
  return found;
}

}  // namespace p2plab
