// SPDX-License-Identifier: Apache-2.0
#include "paths/sender_kinds.h"

namespace p2plab {

namespace {

constexpr int many_ranks = 64;  // of fewer the search for symmetries would take as long as the paths

}  // namespace

SenderKinds::SenderKinds(const Topology& topology) {
  if (topology.ranks() >= many_ranks) generators_ = topology.symmetries();
}

void SenderKinds::set(std::span<const NodeId> senders) {
  const auto none = senders.size();
  std::vector<std::size_t> sender_at(generators_.empty() ? 0 : generators_.front().nodes.size(), none);
  std::vector<std::vector<std::size_t>> after(generators_.size());
  before_.assign(generators_.size(), {});
  for (std::size_t s = 0; s < none && !sender_at.empty(); ++s) sender_at[senders[s].index()] = s;
  for (std::size_t g = 0; g < generators_.size(); ++g) {
    for (const auto sender : senders) after[g].push_back(sender_at[static_cast<std::size_t>(generators_[g].nodes[sender.index()])]);
    if (std::ranges::find(after[g], none) != after[g].end()) continue;
    before_[g].resize(none);
    for (std::size_t s = 0; s < none; ++s) before_[g][after[g][s]] = s;
  }
  kin_.assign(none, {});
  turn_.clear();
  std::vector<bool> known(none);
  for (std::size_t first = 0; first < none; ++first) {
    if (known[first]) continue;
    known[first] = true;
    kin_[first].first = first;
    auto next = turn_.size();
    for (turn_.push_back(first); next < turn_.size(); ++next) {
      for (std::size_t g = 0; g < generators_.size(); ++g) {
        if (before_[g].empty()) continue;
        const auto to = after[g][turn_[next]];
        if (known[to]) continue;
        known[to] = true;
        kin_[to] = {first, turn_[next], g};
        turn_.push_back(to);
      }
    }
  }
}

}  // namespace p2plab
