// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <span>

#include "program/packet_slots.h"

namespace p2plab {

namespace {

constexpr std::int64_t token_bytes = 8;

// A set of ranks.
class RankSet {
 public:
  static std::size_t words(std::size_t ranks) { return (ranks + 63) / 64; }
  explicit RankSet(std::size_t ranks) : words_(words(ranks)) {}
  void add(Rank rank) { words_[rank.index() / 64] |= std::uint64_t{1} << rank.index() % 64; }
  bool has(Rank rank) const { return (words_[rank.index() / 64] >> rank.index() % 64 & 1) != 0; }
  void add(std::span<const std::uint64_t> words) {
    for (std::size_t w = 0; w < words.size(); ++w) words_[w] |= words[w];
  }
  std::span<const std::uint64_t> words() const& { return words_; }

 private:
  std::vector<std::uint64_t> words_;
};

struct ListedItem {
  std::int64_t order = 0;
  Rank rank;
  std::size_t index = 0;
};

std::vector<ListedItem> in_list_order(const PacketProgram& program) {
  std::vector<ListedItem> list;
  for (std::size_t r = 0; r < program.ranks.size(); ++r) {
    const auto& items = program.ranks[r];
    for (std::size_t i = 0; i < items.size(); ++i) list.push_back({items[i].order, Rank{static_cast<std::int64_t>(r)}, i});
  }
  std::ranges::stable_sort(list, {}, &ListedItem::order);
  return list;
}

// Of which ranks does each rank know by the end of a call, from data that came from them directly or through others, that they have begun it?
std::vector<RankSet> known_to_have_begun(const PacketProgram& program) {
  const auto n = program.ranks.size();
  std::vector<RankSet> known(n, RankSet(n));
  for (std::size_t r = 0; r < n; ++r) known[r].add(Rank{static_cast<std::int64_t>(r)});
  std::vector<std::uint64_t> carried(program.messages.size() * RankSet::words(n));  // by message: what its sender knew
  const auto carried_by = [&](const PacketOperand& at) {
    return std::span{carried}.subspan(static_cast<std::size_t>(at.message) * RankSet::words(n), RankSet::words(n));
  };
  for (const auto& place : in_list_order(program)) {
    auto& mine = known[place.rank.index()];
    const auto& item = program.ranks[place.rank.index()][place.index];
    for (const auto& source : item.sources) {
      if (is_landing(source)) mine.add(carried_by(source));
    }
    for (const auto& destination : item.destinations) {
      if (is_landing(destination)) std::ranges::copy(mine.words(), carried_by(destination).begin());
    }
  }
  return known;
}

// `first`: by rank, what it sends first of all, the last added before the others.
void add_token(PacketProgram& program, const PacketMessage& message, const PeerAccess& peer_access, std::vector<std::vector<PacketItem>>& first) {
  const auto [from, to] = message;
  const auto host = peer_access.connected(from, to) ? std::nullopt : std::optional(to);
  const auto slot = add_slot(program, {.message = message, .host = host, .bytes = token_bytes});
  const PacketOperand token{.place = PacketPlace::token, .rank = from, .buffer = Buffer::scratch};
  first[from.index()].push_back({.step = no_step, .order = first_order, .bytes = token_bytes, .sources = {token}, .destinations = {slot}});
  program.ranks[to.index()].push_back({.step = no_step, .order = last_order, .bytes = token_bytes, .sources = {slot}});
  program.most_bytes = std::max(program.most_bytes, token_bytes);
}

}  // namespace

void add_tokens(PacketProgram& program, const PeerAccess& peer_access) {
  const auto known = known_to_have_begun(program);
  const auto n = program.ranks.size();
  std::vector<RankSet> writes(n, RankSet(n));  // by writer: into whose slots
  for (std::size_t r = 0; r < n; ++r) {
    for (const auto& item : program.ranks[r]) {
      for (const auto& to : item.destinations) {
        if (is_landing(to)) writes[r].add(program.messages[static_cast<std::size_t>(to.message)].to);
      }
    }
  }
  std::vector<std::vector<PacketItem>> first(n);
  for (std::size_t w = 0; w < n; ++w) {
    const Rank writer{static_cast<std::int64_t>(w)};
    for (std::size_t r = 0; r < n; ++r) {
      const Rank reader{static_cast<std::int64_t>(r)};
      if (writes[w].has(reader) && !known[w].has(reader)) add_token(program, {.from = reader, .to = writer}, peer_access, first);
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    auto& items = program.ranks[r];
    items.insert(items.begin(), std::make_move_iterator(first[r].rbegin()), std::make_move_iterator(first[r].rend()));
  }
}

}  // namespace p2plab
