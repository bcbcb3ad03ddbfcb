// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/collective.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/detail/named.h"

namespace p2plab {

namespace {

constexpr std::array kinds{Named{"all_reduce", CollectiveKind::all_reduce},
                           Named{"reduce_scatter", CollectiveKind::reduce_scatter},
                           Named{"all_gather", CollectiveKind::all_gather},
                           Named{"broadcast", CollectiveKind::broadcast},
                           Named{"reduce", CollectiveKind::reduce},
                           Named{"gather", CollectiveKind::gather},
                           Named{"scatter", CollectiveKind::scatter},
                           Named{"all_to_all", CollectiveKind::all_to_all},
                           Named{"send_receive", CollectiveKind::send_receive}};

Error bad_collective(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

bool contains(const std::vector<Rank>& ranks, Rank rank) { return std::ranges::find(ranks, rank) != ranks.end(); }

Status check_ranks(const Collective& c, int ranks) {
  if (c.members.empty()) return bad_collective("the process group has no members");
  auto sorted = c.members;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return bad_collective("the process group names a rank twice");
  for (const auto rank : c.members) {
    if (rank.value < 0 || rank.value >= ranks)
      return bad_collective(fmt::format("rank {} is not on this machine, which has ranks 0 to {}", rank.value, ranks - 1));
  }
  for (const auto rank : c.silent) {
    if (!std::ranges::binary_search(sorted, rank)) return bad_collective(fmt::format("silent rank {} is not in the process group", rank.value));
  }
  if (rooted(c.kind) && !std::ranges::binary_search(sorted, c.root))
    return bad_collective(fmt::format("root {} is not in the process group", c.root.value));
  return {};
}

Status check_shares(const Collective& c) {
  if (c.shares.empty()) return {};
  if (!sharded(c.kind)) return bad_collective(fmt::format("{} takes no shares", to_string(c.kind)));
  if (c.shares.size() != c.members.size()) return bad_collective(fmt::format("{} shares for {} members", c.shares.size(), c.members.size()));
  constexpr std::int64_t greatest = std::int64_t{1} << 40;  // so that sums and products of shares stay within 64 and 128 bits
  if (std::ranges::any_of(c.shares, [](auto s) { return s < 0 || s > greatest; })) return bad_collective("a share is negative or above 2^40");
  if (std::ranges::all_of(c.shares, [](auto s) { return s == 0; })) return bad_collective("all shares are zero");
  return {};
}

Status check_givers(const Collective& c) {
  const bool root_alone_gives = c.kind == CollectiveKind::broadcast || c.kind == CollectiveKind::scatter;
  if (root_alone_gives && contains(c.silent, c.root))
    return bad_collective(fmt::format("root {} is silent, so nobody has anything to give", c.root.value));
  if (std::ranges::all_of(c.members, [&](Rank r) { return contains(c.silent, r); })) return bad_collective("every member is silent");
  return {};
}

Status check_pairs(const Collective& c) {
  if (c.kind != CollectiveKind::send_receive) return c.pairs.empty() ? Status{} : bad_collective(fmt::format("{} takes no pairs", to_string(c.kind)));
  if (c.pairs.empty()) return bad_collective("send_receive needs at least one pair");
  for (const auto& [from, to] : c.pairs) {
    if (!contains(c.members, from) || !contains(c.members, to))
      return bad_collective(fmt::format("pair {} -> {} leaves the process group", from.value, to.value));
  }
  return {};
}

std::vector<Block> blocks_of(const Collective& c, const std::vector<Rank>& senders) {
  const auto share = [&](std::size_t i) { return c.shares.empty() ? std::int64_t{1} : c.shares[i]; };
  std::vector<bool> gives;      // by member
  std::vector<RankList> alone;  // the same
  for (const auto rank : c.members) {
    gives.push_back(!contains(c.silent, rank));
    alone.push_back({rank});
  }
  // A block that nobody contributes to is not there.
  const auto own = [&](std::size_t i, const RankList& receivers) { return gives[i] ? Block{share(i), alone[i], receivers} : Block{0, {}, {}}; };
  const RankList all(c.members);
  const RankList contributors(senders);
  const RankList root{c.root};
  std::vector<Block> blocks;
  switch (c.kind) {
    case CollectiveKind::all_reduce: return {{1, contributors, all}};
    case CollectiveKind::broadcast: return {{1, root, all}};
    case CollectiveKind::reduce: return {{1, contributors, root}};
    case CollectiveKind::reduce_scatter:
      for (std::size_t i = 0; i < c.members.size(); ++i) blocks.push_back({share(i), contributors, alone[i]});
      return blocks;
    case CollectiveKind::all_gather:
      for (std::size_t i = 0; i < c.members.size(); ++i) blocks.push_back(own(i, all));
      return blocks;
    case CollectiveKind::gather:
      for (std::size_t i = 0; i < c.members.size(); ++i) blocks.push_back(own(i, root));
      return blocks;
    case CollectiveKind::scatter:
      for (std::size_t i = 0; i < c.members.size(); ++i) blocks.push_back({share(i), root, alone[i]});
      return blocks;
    case CollectiveKind::all_to_all:
      blocks.reserve(alone.size() * alone.size());
      for (std::size_t from = 0; from < c.members.size(); ++from) {
        for (const auto& to : alone) blocks.push_back(own(from, to));
      }
      return blocks;
    case CollectiveKind::send_receive:
      for (const auto& [from, to] : c.pairs) blocks.push_back(contains(senders, from) ? Block{1, {from}, {to}} : Block{0, {}, {}});
      return blocks;
  }
  return blocks;
}

}  // namespace

std::string_view to_string(CollectiveKind kind) { return to_name<CollectiveKind>(kind, kinds); }
Result<CollectiveKind> collective_kind(std::string_view name) { return from_name<CollectiveKind>("collective", name, kinds); }

std::vector<CollectiveKind> all_collective_kinds() {
  std::vector<CollectiveKind> all;
  for (const auto& row : kinds) all.push_back(row.value);
  return all;
}

Collective make_collective(CollectiveKind kind, int ranks, Rank root) {
  Collective collective{.kind = kind, .members = {}, .root = root};
  for (int r = 0; r < ranks; ++r) {
    collective.members.emplace_back(r);
    if (kind == CollectiveKind::send_receive) collective.pairs.emplace_back(Rank{r}, Rank{(r + 1) % ranks});
  }
  return collective;
}

Status check(const Collective& collective, int ranks) {
  if (auto ok = check_ranks(collective, ranks); !ok) return ok;
  if (auto ok = check_shares(collective); !ok) return ok;
  if (auto ok = check_givers(collective); !ok) return ok;
  return check_pairs(collective);
}

Result<std::vector<Block>> contract(const Collective& collective, int ranks) {
  if (auto ok = check(collective, ranks); !ok) return std::move(ok).error();
  std::vector<Rank> senders;
  for (const auto rank : collective.members) {
    if (!contains(collective.silent, rank)) senders.push_back(rank);
  }
  return blocks_of(collective, senders);
}

bool reduces(CollectiveKind kind) {
  return kind == CollectiveKind::all_reduce || kind == CollectiveKind::reduce_scatter || kind == CollectiveKind::reduce;
}

bool sharded(CollectiveKind kind) {
  return kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter || kind == CollectiveKind::gather ||
         kind == CollectiveKind::scatter;
}

bool rooted(CollectiveKind kind) {
  return kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce || kind == CollectiveKind::gather || kind == CollectiveKind::scatter;
}

double bus_factor(CollectiveKind kind, int members) {
  const double n = members;
  switch (kind) {
    case CollectiveKind::all_reduce: return 2 * (n - 1) / n;
    case CollectiveKind::broadcast:
    case CollectiveKind::reduce:
    case CollectiveKind::send_receive: return 1;
    default: return (n - 1) / n;
  }
}

}  // namespace p2plab
