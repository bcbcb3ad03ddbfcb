// SPDX-License-Identifier: Apache-2.0
// Sets of ranks while it is followed who knows of whom.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

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

}  // namespace p2plab
