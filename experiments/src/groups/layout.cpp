// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "groups/parts.h"
#include "p2plab/experiment/process_groups.h"

namespace p2plab {

int RankLayout::ranks() const {
  int count = 1;
  for (const auto& [name, extent] : extents) count *= extent;
  return count;
}

Result<RankLayout> rank_layout(const std::string& text) {
  constexpr int most = 4096;
  RankLayout layout;
  const auto bad = [&](const std::string& what) {
    return Error{ErrorCode::usage, fmt::format("{} in layout '{}'", what, text), std::nullopt, {"write it as tp=8,dp=4"}};
  };
  for (const auto& part : parts_of(text, ',')) {
    const auto equals = std::min(part.find('='), part.size());
    const auto name = part.substr(0, equals);
    int extent = 0;
    const auto* begin = part.data() + std::min(equals + 1, part.size());
    const auto [end, fault] = std::from_chars(begin, part.data() + part.size(), extent);
    if (name.empty() || fault != std::errc{} || end != part.data() + part.size() || extent < 1 || extent > most)
      return bad(fmt::format("expected name=extent, found '{}'", part));
    if (std::ranges::find(layout.extents, name, &std::pair<std::string, int>::first) != layout.extents.end())
      return bad(fmt::format("'{}' is there twice", name));
    layout.extents.emplace_back(name, extent);
    if (layout.ranks() > most) return bad(fmt::format("more than {} ranks", most));
  }
  return layout;
}

Result<std::vector<std::vector<Rank>>> RankLayout::groups(const std::string& dimensions) const {
  std::vector<bool> inside(extents.size());
  for (const auto& name : parts_of(dimensions, '+')) {
    const auto found = std::ranges::find(extents, name, &std::pair<std::string, int>::first);
    if (found == extents.end()) {
      std::vector<std::string> known;
      for (const auto& [other, extent] : extents) known.push_back(other);
      return Error{ErrorCode::usage,
                   fmt::format("the layout has no dimension '{}'", name),
                   std::nullopt,
                   {known.empty() ? std::string{"there is no layout"} : fmt::format("it has {}", fmt::join(known, ", "))}};
    }
    inside[static_cast<std::size_t>(found - extents.begin())] = true;
  }
  // A group is named by the coordinates that its ranks share.
  std::vector<std::vector<Rank>> groups;
  for (int rank = 0; rank < ranks(); ++rank) {
    int left = rank;
    std::size_t shared = 0;
    std::size_t stride = 1;
    for (std::size_t d = 0; d < extents.size(); ++d) {
      const auto extent = static_cast<std::size_t>(extents[d].second);
      const auto coordinate = static_cast<std::size_t>(left) % extent;
      left /= extents[d].second;
      if (inside[d]) continue;
      shared += coordinate * stride;
      stride *= extent;
    }
    if (shared >= groups.size()) groups.resize(shared + 1);
    groups[shared].emplace_back(rank);
  }
  return groups;
}

Collective collective_of(const GroupCall& call, const std::vector<Rank>& group) {
  Collective collective{.kind = call.kind, .members = group, .root = group.front()};
  if (call.kind == CollectiveKind::send_receive) {
    for (std::size_t m = 0; m < group.size(); ++m) collective.pairs.emplace_back(group[m], group[(m + 1) % group.size()]);
  }
  return collective;
}

}  // namespace p2plab
