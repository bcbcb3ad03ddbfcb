// SPDX-License-Identifier: Apache-2.0
// Sets of ranks while it is followed who knows of whom.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/program/packet_program.h"
#include "p2plab/schedule/rank_images.h"

namespace p2plab {

class RankSet {
 public:
  explicit RankSet(std::size_t ranks) : words_((ranks + 63) / 64) {}
  void add(Rank rank) { words_[rank.index() / 64] |= std::uint64_t{1} << rank.index() % 64; }
  bool has(Rank rank) const { return (words_[rank.index() / 64] >> rank.index() % 64 & 1) != 0; }
  void add(std::span<const std::uint64_t> words) {
    for (std::size_t w = 0; w < words.size(); ++w) words_[w] |= words[w];
  }
  /// Where an image carries these.
  void add_moved(std::span<const std::uint64_t> words, const RankImages& images, int image) {
    if (image == 0) return add(words);
    for (std::size_t w = 0; w < words.size(); ++w) {
      for (auto left = words[w]; left != 0; left &= left - 1)
        add(images.moved(image, Rank{static_cast<std::int64_t>(w * 64) + std::countr_zero(left)}));
    }
  }
  bool has_all(const RankSet& others) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if ((others.words_[w] & ~words_[w]) != 0) return false;
    }
    return true;
  }
  std::span<const std::uint64_t> words() const& { return words_; }
  std::span<const std::uint64_t> words() && = delete;

 private:
  std::vector<std::uint64_t> words_;
};

/// A set for each message: of which ranks its sender knew that they had begun the call.
class CarriedSets {
 public:
  CarriedSets(std::size_t messages, std::size_t ranks) : width_((ranks + 63) / 64), words_(messages * width_) {}
  std::span<std::uint64_t> of(std::int32_t message) & { return std::span{words_}.subspan(static_cast<std::size_t>(message) * width_, width_); }
  std::span<std::uint64_t> of(std::int32_t message) && = delete;

 private:
  std::size_t width_;
  std::vector<std::uint64_t> words_;
};

/// A set for each column of each rank that has items: itself to begin with. What one column is told another does not know before the call ends.
class ColumnSets {
 public:
  explicit ColumnSets(const PacketProgram& program) : columns_(static_cast<std::size_t>(program.columns)) {
    const auto n = program.ranks.size();
    for (std::size_t r = 0; r < n; ++r) {
      first_.push_back(sets_.size());
      RankSet self(n);
      self.add(Rank{static_cast<std::int64_t>(r)});
      sets_.insert(sets_.end(), program.ranks[r].empty() ? 1 : columns_, self);
    }
  }
  RankSet& of(Rank rank, std::int32_t column) { return sets_[first_[rank.index()] + static_cast<std::size_t>(column)]; }
  /// What each rank knows in the end.
  std::vector<RankSet> of_ranks() && {
    std::vector<RankSet> all;
    for (std::size_t r = 0; r < first_.size(); ++r) {
      const auto end = r + 1 < first_.size() ? first_[r + 1] : sets_.size();
      all.push_back(sets_[first_[r]]);
      for (auto s = first_[r] + 1; s < end; ++s) all.back().add(sets_[s].words());
    }
    return all;
  }

 private:
  std::size_t columns_;
  std::vector<std::size_t> first_;  // by rank
  std::vector<RankSet> sets_;
};

/// Of which ranks each rank with items hears itself, and into whose slots it writes: who hears from all of these knows, when a call ends, that they
/// have begun it, whatever else it is told. `images`: those of a folded program, else not looked at.
struct DirectWords {
  std::vector<RankSet> heard;
  std::vector<RankSet> written;

  DirectWords(const PacketProgram& program, const RankImages* images) : heard(program.ranks.size(), RankSet(program.ranks.size())), written(heard) {
    std::vector<Rank> senders(program.messages.size(), Rank{-1});  // in image 0
    const auto moved = [&](int image, Rank rank) { return program.folded ? images->moved(image, rank) : rank; };
    each_landing(program, &PacketItem::destinations, [&](Rank rank, const PacketOperand& to) {
      const auto message = static_cast<std::size_t>(to.message);
      written[rank.index()].add(moved(to.image, program.messages[message].to));
      senders[message] = program.folded ? images->moved(images->inverse(to.image), rank) : rank;
    });
    each_landing(program, &PacketItem::sources, [&](Rank rank, const PacketOperand& from) {
      const auto sender = senders[static_cast<std::size_t>(from.message)];
      if (sender.value >= 0) heard[rank.index()].add(moved(from.image, sender));
    });
    for (std::size_t r = 0; r < heard.size(); ++r) heard[r].add(Rank{static_cast<std::int64_t>(r)});
  }
  bool suffice() const {
    for (std::size_t r = 0; r < heard.size(); ++r) {
      if (!heard[r].has_all(written[r])) return false;
    }
    return true;
  }

 private:
  template <class Visit>
  static void each_landing(const PacketProgram& program, std::vector<PacketOperand> PacketItem::*operands, const Visit& visit) {
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
      for (const auto& item : program.ranks[r]) {
        for (const auto& operand : item.*operands) {
          if (is_landing(operand)) visit(Rank{static_cast<std::int64_t>(r)}, operand);
        }
      }
    }
  }
};

}  // namespace p2plab
