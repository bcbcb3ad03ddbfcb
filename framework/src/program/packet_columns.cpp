// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <queue>
#include <utility>

#include "p2plab/program/packet_traffic.h"
#include "p2plab/schedule/layout.h"
#include "program/packet_places.h"
#include "program/packet_slots.h"

namespace p2plab {

namespace {

// Of a rank whose threads take its items one after another: up to here code is made for the program, and reads all that lands at once.
constexpr std::size_t most_sources_in_turn = 64;
constexpr std::size_t most_stores_in_turn = 96;

bool is_long(const std::vector<PacketItem>& items) {
  std::size_t sources = 0;
  std::size_t stores = 0;
  for (const auto& item : items) {
    sources += item.sources.size();
    stores += item.destinations.size();
  }
  return sources > most_sources_in_turn || stores > most_stores_in_turn;
}

// How far a rank's output begins behind its input, in place: so its places have one name each.
class CommonPlaces {
 public:
  explicit CommonPlaces(const Program& program) : in_place_(program.in_place) {
    if (in_place_) layout_.emplace(program.collective, *contract(program.collective, program.ranks()), program.ranks(), program.payload);
  }

  PlaceNumbers::Key key_of(const PacketOperand& at) const {
    if (!in_place_ || at.buffer != Buffer::output || !layout_->shares(at.rank)) return {at.rank.value, at.buffer, at.offset};
    const auto shift = layout_->output_within_input(at.rank);
    const bool output_is_whole = layout_->input_size(at.rank) <= layout_->output_size(at.rank);
    return {at.rank.value, Buffer::input, at.offset + (output_is_whole ? -shift : shift)};
  }

 private:
  bool in_place_;
  std::optional<BufferLayout> layout_;
};

// Items that touch a place which one of them writes are kept together.
class ColumnDealer {
 public:
  ColumnDealer(std::vector<PacketItem>& items, const CommonPlaces& common) : items_(items), common_(common), parts_(items.size()) {
    std::iota(parts_.begin(), parts_.end(), std::size_t{0});
  }

  // Part after part to the column that has least to do.
  void deal(std::int32_t columns) {
    join_parts();
    std::vector<std::size_t> load(items_.size());  // by first item of the part
    for (std::size_t i = 0; i < items_.size(); ++i) load[part_of(i)] += items_[i].sources.size() + items_[i].destinations.size();
    using Column = std::pair<std::size_t, std::int32_t>;
    std::priority_queue<Column, std::vector<Column>, std::greater<>> least;
    for (std::int32_t c = 0; c < columns; ++c) least.emplace(0, c);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const auto part = part_of(i);
      if (part < i) {
        items_[i].column = items_[part].column;
        continue;
      }
      auto [before, column] = least.top();
      least.pop();
      items_[i].column = column;
      least.emplace(before + load[i], column);
    }
  }

 private:
  void join_parts() {
    PlaceNumbers places(items_.size());
    each_place(&PacketItem::destinations, [&](std::size_t, const PlaceNumbers::Key& key) { places.number(key); });
    const auto written = places.size();
    constexpr auto nobody = static_cast<std::size_t>(-1);
    std::vector<std::size_t> first(written, nobody);
    for (const auto operands : {&PacketItem::sources, &PacketItem::destinations}) {
      each_place(operands, [&](std::size_t item, const PlaceNumbers::Key& key) {
        const auto place = places.number(key);
        if (place >= written) return;  // only read
        if (first[place] == nobody) first[place] = item;
        join(first[place], item);
      });
    }
  }

  template <class Visit>
  void each_place(std::vector<PacketOperand> PacketItem::*operands, Visit&& visit) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      for (const auto& operand : items_[i].*operands) {
        if (operand.place == PacketPlace::memory) visit(i, common_.key_of(operand));
      }
    }
  }

  std::size_t part_of(std::size_t item) {
    while (parts_[item] != item) item = parts_[item] = parts_[parts_[item]];
    return item;
  }
  void join(std::size_t a, std::size_t b) {
    const auto one = part_of(a);
    const auto other = part_of(b);
    parts_[std::max(one, other)] = std::min(one, other);
  }

  std::vector<PacketItem>& items_;
  const CommonPlaces& common_;
  std::vector<std::size_t> parts_;  // by item: another one of its part, the first of all in the end
};

}  // namespace

void send_as_interpreted(PacketProgram& program) {
  if (program.wire != PacketWire::ll128 || program.ranks.size() < least_ranks_of_columns) return;
  if (std::ranges::any_of(program.ranks, is_long)) program.wire = PacketWire::ll;
}

void deal_to_columns(PacketProgram& program, const Program& made_of) {
  if (program.ranks.size() < least_ranks_of_columns || std::ranges::none_of(program.ranks, is_long)) return;
  send_as_interpreted(program);
  program.columns = most_packet_columns;
  program.columns = columns_that_fit(program, column_threads);
  if (program.columns == 1) return;
  const CommonPlaces common(made_of);
  for (auto& items : program.ranks) ColumnDealer{items, common}.deal(program.columns);
}

std::int32_t columns_that_fit(const PacketProgram& program, std::int64_t threads) {
  const auto each = threads_of_column(packets_of(program.wire, program.most_bytes));
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(threads / each, 1, program.columns));
}

std::vector<PacketColumn> columns_of(const PacketProgram& program) {
  std::vector<PacketColumn> all;
  for (std::size_t r = 0; r < program.ranks.size(); ++r) {
    const auto& items = program.ranks[r];
    for (std::uint32_t i = 0; i < items.size(); ++i) {
      if (i == 0 || items[i].column != items[i - 1].column) all.push_back({Rank{static_cast<std::int64_t>(r)}, i, i});
      all.back().end = i + 1;
    }
  }
  return all;
}

PacketProgram in_columns(PacketProgram program, std::int32_t most) {
  if (program.columns <= most) return program;
  program.columns = most;
  for (auto& items : program.ranks) {
    for (auto& item : items) item.column %= most;
    std::ranges::stable_sort(items, {}, [](const PacketItem& item) { return std::pair{item.column, item.order}; });
  }
  mark_joins(program);
  return program;
}

}  // namespace p2plab
