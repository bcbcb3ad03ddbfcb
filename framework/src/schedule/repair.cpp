// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/repair.h"

#include <fmt/format.h>

namespace p2plab {

Result<Collective> surviving(const Collective& collective, const Topology& before, const Topology& now) {
  const auto name_of = [&](Rank rank) { return before.node(before.node_of(rank)).name; };
  const auto rank_now = [&](Rank rank) -> std::optional<Rank> {
    const auto node = now.find_node(name_of(rank));
    return node ? now.rank_of(*node) : std::nullopt;
  };
  Collective left{.kind = collective.kind, .members = {}};
  for (std::size_t i = 0; i < collective.members.size(); ++i) {
    const auto rank = rank_now(collective.members[i]);
    if (!rank) continue;
    left.members.push_back(*rank);
    if (!collective.shares.empty()) left.shares.push_back(collective.shares[i]);
  }
  for (const auto silent : collective.silent) {
    if (const auto rank = rank_now(silent)) left.silent.push_back(*rank);
  }
  for (const auto& [from, to] : collective.pairs) {
    const auto sender = rank_now(from);
    const auto receiver = rank_now(to);
    if (sender && receiver) left.pairs.emplace_back(*sender, *receiver);
  }
  if (left.members.empty()) {
    return Error{
        ErrorCode::invalid_input, fmt::format("no GPU of the old plan is left on {}", now.name()), std::nullopt, {"GPUs are found by their names"}};
  }
  if (!rooted(collective.kind)) return left;
  const auto root = rank_now(collective.root);
  if (!root) {
    return Error{ErrorCode::invalid_input,
                 fmt::format("the root {} is not on {}", name_of(collective.root), now.name()),
                 std::nullopt,
                 {"plan anew with another root"}};
  }
  left.root = *root;
  return left;
}

}  // namespace p2plab
