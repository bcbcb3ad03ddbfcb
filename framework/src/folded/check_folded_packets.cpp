// SPDX-License-Identifier: Apache-2.0
// Folded packets are proved by their base: each item of a representative is moved back to image 0, and the items of image 0 on all ranks are a packet
// program of their own that owes the base's chunks. The items of other images that stand between these add order and take none away, and touch none
// of their bytes: memory lies where the schedule has it (BasePlaces), of an item no more than its base's steps touch there, and slots of one rank lie
// apart (check_slots). That the whole does not wait in a circle, and who knows of whom when a call ends, is followed on the representatives: what one
// of them does at some time all do in which it stands for them.
#include "folded/check_folded_packets.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "folded/reached_images.h"
#include "p2plab/program/packet_program.h"
#include "program/rank_set.h"

namespace p2plab::checking {

namespace {

Error fail(const std::string& what) { return {ErrorCode::verification_failed, "the folded packet program " + what}; }

class FoldedPackets {
 public:
  FoldedPackets(const PeerAccess& peer_access, const Program& folded, const Program& base, const BasePlaces& places)
      : peer_access_(peer_access), images_(*folded.images), packets_(*folded.packets), base_(base), places_(places) {}

  Result<ProgramProof> run(const Owed& owed_by_base, const LessOrder& less_order) {
    if (auto ok = check_shape(); !ok) return std::move(ok).error();
    if (auto ok = move_back(); !ok) return std::move(ok).error();
    auto proof = check_packets_of_call(peer_access_, base_, in_base_, owed_by_base, less_order);
    if (!proof) return proof;
    for (const auto part : {&FoldedPackets::check_reach, &FoldedPackets::check_slots, &FoldedPackets::check_calls}) {
      if (auto ok = (this->*part)(); !ok) return std::move(ok).error();
    }
    return proof;
  }

 private:
  bool is_representative(std::size_t rank) const { return rank_of(rank) == images_.representative(rank_of(rank)); }
  static Rank rank_of(std::size_t rank) { return Rank{static_cast<std::int64_t>(rank)}; }

  // What all else counts on.
  Status check_shape() const {
    const auto n = static_cast<std::size_t>(images_.ranks());
    if (!packets_.folded || packets_.ranks.size() != n || packets_.landing.size() != n || packets_.host_landing.size() != n)
      return fail("is for another number of ranks than its program");
    for (std::size_t r = 0; r < n; ++r) {
      if (!is_representative(r) && !packets_.ranks[r].empty()) return fail(fmt::format("has items of rank {}, which another one stands for", r));
      if (packets_.host_landing[r] != 0) return fail("uses host memory");
      if (packets_.landing[r] != packets_.landing[images_.representative(rank_of(r)).index()])
        return fail(fmt::format("has another landing area at rank {} than at its representative", r));
    }
    for (const auto& message : packets_.messages) {
      for (const auto rank : {message.from, message.to}) {
        if (rank.value < 0 || rank.index() >= n) return fail(fmt::format("has a message of rank {}", rank.value));
      }
    }
    for (const auto& column : columns_of(packets_)) {
      const auto& items = packets_.ranks[column.rank.index()];
      if (items[column.first].joins) return fail("has an item that joins one before the first");
      if (items[column.first].column < (column.first > 0 ? items[column.first - 1].column : 0) || items[column.first].column >= packets_.columns)
        return fail(fmt::format("has rank {} take column {} of {}", column.rank.value, items[column.first].column, packets_.columns));
    }
    return {};
  }

  // The items of image 0.
  Status move_back() {
    in_base_.wire = packets_.wire;
    in_base_.messages = packets_.messages;
    in_base_.landing = packets_.landing;
    in_base_.host_landing = packets_.host_landing;
    in_base_.most_bytes = packets_.most_bytes;
    in_base_.columns = packets_.columns;
    in_base_.ranks.resize(packets_.ranks.size());
    std::vector<std::size_t> groups(packets_.ranks.size(), 0);  // by rank: that of its last item, counted from 1
    std::size_t group = 0;
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      for (const auto& item : packets_.ranks[r]) {
        group += item.joins ? 0 : 1;
        const auto image = image_of(item);
        if (!image) return fail(fmt::format("has an item of rank {} for step {}, which is of no image", r, item.step.value));
        const auto rank = images_.moved(images_.inverse(*image), rank_of(r));
        auto back = in_image_0(item, rank, *image);
        if (!back) return std::move(back).error();
        back->joins = groups[rank.index()] == group;
        groups[rank.index()] = group;
        in_base_.ranks[rank.index()].push_back(*std::move(back));
      }
    }
    return {};
  }

  // Tokens have no step; their message says it.
  std::optional<int> image_of(const PacketItem& item) const {
    if (!item.is_token()) return item.step.value % images_.images();
    for (const auto* operands : {&item.sources, &item.destinations}) {
      for (const auto& operand : *operands) {
        if (is_landing(operand) && operand.image >= 0 && operand.image < images_.images()) return operand.image;
      }
    }
    return std::nullopt;
  }

  Result<PacketItem> in_image_0(PacketItem item, Rank rank, int image) const {
    if (!item.is_token()) item.step = StepId{std::int64_t{item.step.value} - image};
    const auto inverse = images_.inverse(image);
    for (auto* operands : {&item.sources, &item.destinations}) {
      for (auto& operand : *operands) {
        if (operand.place == PacketPlace::token) continue;
        if (operand.rank.value < 0 || operand.rank.value >= images_.ranks()) return fail(fmt::format("names rank {}", operand.rank.value));
        operand.rank = images_.moved(inverse, operand.rank);
        operand.route = default_route;
        if (is_landing(operand)) {
          if (operand.image != image) return fail(fmt::format("has step {} use a message of another image", item.step.value));
          operand.image = 0;
          continue;
        }
        const auto place = places_.back(rank, operand.buffer, operand.offset);
        if (operand.rank != rank || !place || item.bytes > place->bytes)
          return fail(fmt::format("has step {} touch memory that its base does not touch", item.step.value));
        operand.offset = place->offset;
      }
    }
    return item;
  }

  Status check_reach() const {
    for (const auto& message : packets_.messages) {
      if (const auto i = image_out_of_reach(peer_access_, images_, message.from, message.to))
        return fail(fmt::format("sends from rank {} to rank {}, which it does not reach", images_.moved(*i, message.from).value,
                                images_.moved(*i, message.to).value));
    }
    return {};
  }

  // Messages of all images that land at one rank: those of the base that land where the same representative stands, one of each.
  Status check_slots() const {
    struct Slot {
      Rank at;
      std::int64_t begin;
      std::int64_t end;
    };
    std::vector<Slot> slots;
    for (const auto& items : in_base_.ranks) {
      for (const auto& item : items) {
        for (const auto& to : item.destinations) {
          if (is_landing(to)) slots.push_back({images_.representative(to.rank), to.offset, to.offset + item.bytes});
        }
      }
    }
    std::ranges::sort(slots, {}, [](const Slot& slot) { return std::pair{slot.at, slot.begin}; });
    for (std::size_t s = 1; s < slots.size(); ++s) {
      if (slots[s].at == slots[s - 1].at && slots[s].begin < slots[s - 1].end)
        return fail(fmt::format("has two messages land at byte {} of rank {}", slots[s].begin, slots[s].at.value));
    }
    return {};
  }

  // Takes each representative as far as what it needs was sent, in all images at once.
  Status check_calls() const {
    const auto columns = columns_of(packets_);
    const bool learns = !DirectWords(packets_, &images_).suffice();
    ColumnSets known(packets_);
    CarriedSets carried(learns ? packets_.messages.size() : 0, packets_.ranks.size());
    std::vector<bool> sent(packets_.messages.size());
    std::vector<std::uint32_t> at;
    for (const auto& column : columns) at.push_back(column.first);
    const auto there = [&](const PacketOperand& source) { return !is_landing(source) || sent[static_cast<std::size_t>(source.message)]; };
    for (bool moves = true; std::exchange(moves, false);) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const auto& items = packets_.ranks[columns[c].rank.index()];
        while (at[c] < columns[c].end) {
          auto end = at[c] + 1;
          while (end < columns[c].end && items[end].joins) ++end;
          const std::span group{items.data() + at[c], end - at[c]};
          if (!std::ranges::all_of(group, [&](const PacketItem& item) { return std::ranges::all_of(item.sources, there); })) break;
          for (const auto& item : group) {
            if (learns) learn(item, known.of(columns[c].rank, item.column), carried);
            for (const auto& to : item.destinations) {
              if (is_landing(to)) sent[static_cast<std::size_t>(to.message)] = true;
            }
          }
          at[c] = end;
          moves = true;
        }
      }
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (at[c] < columns[c].end) return fail(fmt::format("waits in a circle: rank {} does not get past item {}", columns[c].rank.value, at[c]));
    }
    return learns ? check_next_call(std::move(known).of_ranks()) : Status{};
  }

  void learn(const PacketItem& item, RankSet& mine, CarriedSets& carried) const {
    for (const auto& source : item.sources) {
      if (is_landing(source)) mine.add_moved(carried.of(source.message), images_, source.image);
    }
    for (const auto& to : item.destinations) {
      if (!is_landing(to)) continue;
      RankSet in_image_0(packets_.ranks.size());
      in_image_0.add_moved(mine.words(), images_, images_.inverse(to.image));
      std::ranges::copy(in_image_0.words(), carried.of(to.message).begin());
    }
  }

  // As of whole programs: who sends to a rank knows, when the call ends, that it has begun it.
  Status check_next_call(const std::vector<RankSet>& known) const {
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      for (const auto& item : packets_.ranks[r]) {
        for (const auto& to : item.destinations) {
          if (!is_landing(to)) continue;
          const auto reader = images_.moved(to.image, packets_.messages[static_cast<std::size_t>(to.message)].to);
          if (!known[r].has(reader))
            return fail(fmt::format("has rank {} send to rank {} without a word that it has begun the call", r, reader.value));
        }
      }
    }
    return {};
  }

  const PeerAccess& peer_access_;
  const RankImages& images_;
  const PacketProgram& packets_;
  const Program& base_;
  const BasePlaces& places_;
  PacketProgram in_base_;
};

}  // namespace

Result<ProgramProof> check_folded_packets(const PeerAccess& peer_access, const Program& folded, const Program& base, const BasePlaces& places,
                                          const Owed& owed_by_base, const LessOrder& less_order) {
  return FoldedPackets{peer_access, folded, base, places}.run(owed_by_base, less_order);
}

}  // namespace p2plab::checking
