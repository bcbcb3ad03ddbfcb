// SPDX-License-Identifier: Apache-2.0
// Sets of ranks, interned: equal sets have equal ids, so a verifier's state is one small number per location.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2plab/base/ids.h"
#include "schedule/key_table.h"

namespace p2plab {

/// Sets of ranks below a fixed number; ids count from 0 in order of first appearance.
class ContributionSets {
 public:
  explicit ContributionSets(int ranks) : words_((static_cast<std::size_t>(ranks) + 63) / 64) {}

  std::int32_t of(std::span<const Rank> ranks) {
    scratch_.assign(words_, 0);
    for (const auto rank : ranks) scratch_[rank.index() / 64] |= std::uint64_t{1} << (rank.index() % 64);
    return intern();
  }

  /// The union of two sets, or nothing if they share a rank.
  std::optional<std::int32_t> disjoint_union(std::int32_t a, std::int32_t b) {
    const auto key = (static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32) | static_cast<std::uint32_t>(b);
    if (const auto known = unions_.find(key); known != KeyTable::none) return known;
    scratch_.resize(words_);
    for (std::size_t w = 0; w < words_; ++w) {
      if ((word(a, w) & word(b, w)) != 0) return std::nullopt;
      scratch_[w] = word(a, w) | word(b, w);
    }
    const auto both = intern();
    unions_.add(key, both);
    return both;
  }

  /// "{0, 2, 3}", shortened after a few ranks.
  std::string describe(std::int32_t id) const {
    constexpr int most_named = 16;
    std::string text = "{";
    int named = 0;
    int count = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      for (auto bits = word(id, w); bits != 0; bits &= bits - 1) {
        ++count;
        if (named == most_named) continue;
        text += (named++ > 0 ? ", " : "") + std::to_string(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      }
    }
    if (count > named) text += ", ... " + std::to_string(count) + " in all";
    return text + "}";
  }

 private:
  std::uint64_t word(std::int32_t id, std::size_t w) const { return bits_[static_cast<std::size_t>(id) * words_ + w]; }

  // The id of the set in `scratch_`.
  std::int32_t intern() {
    std::uint64_t hash = 0;
    for (const auto bits : scratch_) hash = (hash ^ bits) * 0x9E3779B97F4A7C15U + (hash >> 29);
    const auto known = ids_.find(hash, [&](std::int32_t id) {
      return std::equal(scratch_.begin(), scratch_.end(), bits_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(id) * words_));
    });
    if (known != KeyTable::none) return known;
    const auto id = static_cast<std::int32_t>(bits_.size() / words_);
    bits_.insert(bits_.end(), scratch_.begin(), scratch_.end());
    ids_.add(hash, id);
    return id;
  }

  std::size_t words_;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint64_t> scratch_;
  KeyTable ids_;     // by hash
  KeyTable unions_;  // by the two
};

}  // namespace p2plab
