// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <utility>

#include "program/packet_slots.h"
#include "program/rank_set.h"

namespace p2plab {

namespace {

constexpr std::int64_t token_bytes = 8;

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

// Of which ranks does each rank know by the end of a call, from data that came from them directly or through others, that they have begun it? Of a
// folded program a message says what it says in image 0, and elsewhere that, moved.
std::vector<RankSet> known_to_have_begun(const PacketProgram& program, const RankImages* images) {
  const auto n = program.ranks.size();
  ColumnSets known(program);
  CarriedSets carried(program.messages.size(), n);
  RankSet in_image_0(n);
  for (const auto& place : in_list_order(program)) {
    auto& mine = known.of(place.rank, program.ranks[place.rank.index()][place.index].column);
    const auto& item = program.ranks[place.rank.index()][place.index];
    for (const auto& source : item.sources) {
      if (!is_landing(source)) continue;
      program.folded ? mine.add_moved(carried.of(source.message), *images, source.image) : mine.add(carried.of(source.message));
    }
    for (const auto& destination : item.destinations) {
      if (!is_landing(destination)) continue;
      if (!program.folded) {
        std::ranges::copy(mine.words(), carried.of(destination.message).begin());
        continue;
      }
      in_image_0 = RankSet(n);
      in_image_0.add_moved(mine.words(), *images, images->inverse(destination.image));
      std::ranges::copy(in_image_0.words(), carried.of(destination.message).begin());
    }
  }
  return std::move(known).of_ranks();
}

class Tokens {
 public:
  Tokens(PacketProgram& program, const PeerAccess& peer_access, const RankView& view)
      : program_(program), peer_access_(peer_access), view_(view), first_(program.ranks.size()), awaited_(program.ranks.size()) {}

  // From a reader to a writer; by writer, in the order in which it sees the readers.
  void add(Rank from, Rank to) {
    const auto host = peer_access_.connected(from, to) ? std::nullopt : std::optional(to);
    const auto area = program_.folded ? view_.self(host.value_or(to)) : host.value_or(to);
    auto slot = add_slot(program_, {.message = {from, to}, .host = host, .bytes = token_bytes}, area);
    const auto column = awaited_[to.index()]++ % program_.columns;
    program_.ranks[to.index()].push_back({.step = no_step, .order = token_order, .bytes = token_bytes, .column = column, .sources = {slot}});
    // Who does the same as the reader is there instead of it, in another image.
    const auto sender = program_.folded ? view_.self(from) : from;
    if (program_.folded) {
      slot.image = view_.images()->back(from);
      slot.rank = view_.other(from, slot.rank);
    }
    const PacketOperand token{.place = PacketPlace::token, .rank = sender, .buffer = Buffer::scratch};
    first_[sender.index()].push_back({.step = no_step, .order = first_order, .bytes = token_bytes, .sources = {token}, .destinations = {slot}});
    program_.most_bytes = std::max(program_.most_bytes, token_bytes);
  }

  // What each rank sends first of all: the last to whom it sees first.
  void put_first() {
    for (std::size_t r = 0; r < first_.size(); ++r) {
      const Rank rank{static_cast<std::int64_t>(r)};
      auto& first = first_[r];
      std::ranges::stable_sort(first, {}, [&](const PacketItem& item) { return view_.other(rank, item.destinations[0].rank); });
      for (std::size_t i = 0; i < first.size(); ++i) first[i].column = static_cast<std::int32_t>(i) % program_.columns;
      auto& items = program_.ranks[r];
      items.insert(items.begin(), std::make_move_iterator(first.rbegin()), std::make_move_iterator(first.rend()));
    }
  }

 private:
  PacketProgram& program_;
  const PeerAccess& peer_access_;
  const RankView& view_;
  std::vector<std::vector<PacketItem>> first_;  // by rank
  std::vector<std::int32_t> awaited_;           // by rank: how many tokens
};

}  // namespace

void add_tokens(PacketProgram& program, const PeerAccess& peer_access, const RankView& view) {
  const DirectWords direct(program, view.images());
  if (direct.suffice()) return;
  const auto known = known_to_have_begun(program, view.images());
  const auto n = program.ranks.size();
  Tokens tokens(program, peer_access, view);
  for (std::size_t w = 0; w < n; ++w) {
    const Rank writer{static_cast<std::int64_t>(w)};
    const auto& into = direct.written[w];
    std::vector<Rank> readers;
    for (std::size_t r = 0; r < n; ++r) {
      const Rank reader{static_cast<std::int64_t>(r)};
      if (into.has(reader) && !known[w].has(reader)) readers.push_back(reader);
    }
    std::ranges::sort(readers, {}, [&](Rank reader) { return view.other(writer, reader); });
    for (const auto reader : readers) tokens.add(reader, writer);
  }
  tokens.put_first();
}

}  // namespace p2plab
