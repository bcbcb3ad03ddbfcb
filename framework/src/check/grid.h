// SPDX-License-Identifier: Apache-2.0
// Cuts of memory where few bytes are ever a beginning or an end, though of many buffers, as with chunks: a bit for each buffer and place, so that
// nothing is sorted.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "schedule/key_table.h"

namespace p2plab::checking {

/// Bytes of a buffer, numbered as they rise: all multiples of some size, or those that were told.
class Ruler {
 public:
  /// Bytes 0, `cell`, 2 * `cell` and so on, below 2^50.
  static Ruler even(std::int64_t cell);
  /// These bytes, each once.
  static Ruler at(std::vector<std::int64_t> marks);

  /// The number of a byte that is one of them.
  std::size_t number(std::int64_t byte) const {
    constexpr double half = 0.5;
    if (marks_.empty()) return static_cast<std::size_t>(static_cast<double>(byte) * inverse_ + half);  // right, as it is a whole number
    return static_cast<std::size_t>(numbers_.find(static_cast<std::uint64_t>(byte)));
  }
  /// The number of one of them behind that with number `begin`: mostly the same as the last time, for a chunk has one size.
  std::size_t number_behind(std::size_t begin, std::int64_t byte) {
    if (marks_.empty()) return number(byte);
    auto& last = behind_[begin];
    if (marks_[last] != byte) last = static_cast<std::uint32_t>(number(byte));
    return last;
  }
  std::int64_t byte(std::size_t number) const { return marks_.empty() ? static_cast<std::int64_t>(number) * cell_ : marks_[number]; }
  /// How many are at most `byte`.
  std::size_t up_to(std::int64_t byte) const;

 private:
  std::int64_t cell_ = 1;
  double inverse_ = 1;
  std::vector<std::int64_t> marks_;
  KeyTable numbers_;                   // by byte
  std::vector<std::uint32_t> behind_;  // by number
};

/// By buffer: at which bytes memory is cut.
class Grid {
 public:
  /// `sizes`: of the buffers, in bytes. None if there are more than `most` places to cut at.
  static std::optional<Grid> of(std::span<const std::int64_t> sizes, Ruler ruler, std::size_t most);

  Ruler& ruler() & { return ruler_; }
  /// Cuts a buffer at a byte, by its number on the ruler, which is at most the buffer's size.
  void cut(std::int32_t buffer, std::size_t number) {
    const auto place = place_of(buffer, number);
    words_[place / 64].bits |= std::uint64_t{1} << (place % 64);
  }
  /// Numbers the cuts; how many there are. To be called once all are made.
  std::uint32_t number();
  /// Cuts of buffers before this one, and of this one before the byte with that number on the ruler.
  std::uint32_t cuts_before(std::int32_t buffer, std::size_t number) const {
    const auto place = place_of(buffer, number);
    const auto& word = words_[place / 64];
    if (word.bits == ~std::uint64_t{0}) return word.before + static_cast<std::uint32_t>(place % 64);  // as between chunks of one size
    const auto below = word.bits & ((std::uint64_t{1} << (place % 64)) - 1);
    return word.before + static_cast<std::uint32_t>(std::popcount(below));
  }
  /// Calls `visit` with the byte of each cut of a buffer, rising.
  template <class Visit>
  void each_cut(std::int32_t buffer, Visit visit) const {
    const auto first = firsts_[static_cast<std::size_t>(buffer)];
    for (auto w = first; w < firsts_[static_cast<std::size_t>(buffer) + 1]; ++w) {
      for (auto bits = words_[w].bits; bits != 0; bits &= bits - 1)
        visit(ruler_.byte((w - first) * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
    }
  }

 private:
  struct Word {
    std::uint64_t bits = 0;
    std::uint32_t before = 0;  // bits in the words before
  };
  std::size_t place_of(std::int32_t buffer, std::size_t number) const { return firsts_[static_cast<std::size_t>(buffer)] * 64 + number; }

  Ruler ruler_;
  std::vector<std::size_t> firsts_;  // by buffer: its first word
  std::vector<Word> words_;
};

/// The largest size that divides all that were told.
class CommonSize {
 public:
  void add(std::int64_t bytes) {
    constexpr double half = 0.5;
    if (static_cast<std::int64_t>(static_cast<double>(bytes) * inverse_ + half) * bytes_ != bytes) shrink(bytes);
  }
  /// More than any buffer has if all that was told was 0.
  std::int64_t bytes() const { return bytes_ == 0 ? most : bytes_; }

 private:
  static constexpr std::int64_t most = std::int64_t{1} << 51;
  void shrink(std::int64_t bytes);
  std::int64_t bytes_ = 0;
  double inverse_ = 0;
};

}  // namespace p2plab::checking
