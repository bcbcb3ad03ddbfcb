// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <tuple>

#include "paths/pair_kinds_builder.h"

namespace p2plab {

std::uint32_t PairKinds::of(Rank from, Rank to) const {
  const auto mine = this->from(from);
  return std::ranges::upper_bound(mine, to.value, {}, &Stretch::end)->kind;
}

PairKindsBuilder::PairKindsBuilder(const Topology& topology, const ParallelLinks& parallel) {
  std::map<std::tuple<LinkKind, std::int64_t, double, NodeKind, bool>, std::uint32_t> known;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    const auto& end = topology.node(link.to);
    const auto width = parallel.together(LinkId{static_cast<std::int64_t>(l)}).bytes_per_second();
    const auto next = static_cast<std::uint32_t>(known.size());
    alike_.push_back(known.try_emplace({link.kind, width, link.latency.count(), end.kind, end.forwards_peers}, next).first->second);
  }
  made_.places_.resize(static_cast<std::size_t>(topology.ranks()));
  made_.examples_.emplace_back();
}

std::uint32_t PairKindsBuilder::kind_of(Rank from, Rank to, std::span<const LinkId> path) {
  if (path.empty()) return PairKinds::no_path;
  std::uint32_t beginning = 0;
  for (const auto link : path) {
    const auto key = std::uint64_t{beginning} << 32 | alike_[link.index()];
    const auto [at, fresh] = further_.try_emplace(key, static_cast<std::uint32_t>(kinds_.size()));
    if (fresh) kinds_.push_back(PairKinds::no_path);
    beginning = at->second;
  }
  auto& kind = kinds_[beginning];
  if (kind == PairKinds::no_path) {
    kind = static_cast<std::uint32_t>(made_.examples_.size());
    made_.examples_.emplace_back(from, to);
  }
  return kind;
}

void PairKindsBuilder::take(Rank sender, std::span<const std::uint32_t> kinds) {
  auto& stretches = made_.stretches_;
  const auto first = stretches.size();
  for (std::size_t to = 0; to < kinds.size(); ++to) {
    const auto place = static_cast<std::int64_t>(to);
    if (kinds[to] == PairKinds::no_path && place != sender.value) made_.all_connected_ = false;
    if (stretches.size() == first || stretches.back().kind != kinds[to]) stretches.push_back({place, place, kinds[to]});
    ++stretches.back().end;
  }
  made_.places_[sender.index()] = {first, stretches.size() - first};
}

std::vector<std::uint32_t> PairKindsBuilder::taken(Rank sender) const {
  std::vector<std::uint32_t> kinds(made_.places_.size());
  for (const auto& stretch : made_.from(sender)) std::fill(kinds.begin() + stretch.begin, kinds.begin() + stretch.end, stretch.kind);
  return kinds;
}

}  // namespace p2plab
