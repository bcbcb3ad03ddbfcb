// SPDX-License-Identifier: Apache-2.0
#include "compile/check_program.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/program/check.h"

namespace p2plab {

namespace {

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

// Sums must fit, too. Each lane stands for `copies` lanes.
Status check_total(const Program& program, int copies) {
  double total = 0;
  double slices = 0;
  for (const auto& i : program.instructions) {
    total += static_cast<double>(i.bytes) * (i.sources + i.destinations);
    slices += static_cast<double>(program.slices(i));
  }
  if (slices * copies > 0x1p31) return Error{ErrorCode::unsupported, "the program has more than 2^31 slices; use larger ones"};
  total *= copies;
  constexpr double most = 1e18;
  if (total <= most) return {};
  return Error{ErrorCode::unsupported, fmt::format("the program moves {} bytes in all; at most {} can be simulated", total, most)};
}

Status check_copies(const Topology& topology, const Program& program, int copies) {
  if (program.ranks() != topology.ranks()) {
    return bad(fmt::format("the program is for {} ranks, topology '{}' has {}", program.ranks(), topology.name(), topology.ranks()));
  }
  if (auto ok = check_consistency(program, {.ranks = topology.ranks(), .links = topology.links().size(), .copies = copies}); !ok) return ok;
  return check_total(program, copies);
}

}  // namespace

Status check_program(const Topology& topology, const Program& program) {
  return check_copies(topology, program, program.folded && program.images ? program.images->images() : 1);
}

bool treats_alike(const Topology& topology, const Profile& profile) {
  const bool models = std::ranges::any_of(topology.nodes(), [](const Node& node) { return node.switching != SwitchModel{}; });
  const auto& quirks = profile.quirks;
  const bool of_pcie = quirks.pcie_read != 1 || quirks.posted_writes != 1 || quirks.exchange != 1;
  return !models && !of_pcie && profile.start_skew == Seconds{0};
}

Status check_pattern(const Topology& topology, const Pattern& pattern) {
  std::int64_t ranks = 1;
  for (const int extent : pattern.extents) {
    if (extent < 1 || ranks * extent > std::int64_t{1} << 24)
      return bad(fmt::format("a pattern's extents must be at least 1 and make up at most 2^24 ranks, found {}", extent));
    ranks *= extent;
  }
  if (ranks != pattern.program.ranks())
    return bad(fmt::format("the pattern's extents make {} ranks, its program is for {}", ranks, pattern.program.ranks()));
  for (const auto& lane : pattern.program.lanes) {
    if (lane.rank != Rank{0}) return bad(fmt::format("a pattern has lanes of rank 0 only, found one of rank {}", lane.rank.value));
  }
  for (const auto& operand : pattern.program.operands) {
    if (operand.route != default_route || operand.buffer == Buffer::host) return bad("a pattern has no explicit routes and no host memory");
  }
  return check_copies(topology, pattern.program, static_cast<int>(ranks));
}

}  // namespace p2plab
