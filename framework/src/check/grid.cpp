// SPDX-License-Identifier: Apache-2.0
#include "check/grid.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace p2plab::checking {

Ruler Ruler::even(std::int64_t cell) {
  Ruler ruler;
  ruler.cell_ = cell;
  ruler.inverse_ = 1 / static_cast<double>(cell);
  return ruler;
}

Ruler Ruler::at(std::vector<std::int64_t> marks) {
  Ruler ruler;
  std::ranges::sort(marks);
  for (std::size_t m = 0; m < marks.size(); ++m) ruler.numbers_.add(static_cast<std::uint64_t>(marks[m]), static_cast<std::int32_t>(m));
  ruler.behind_.resize(marks.size());
  ruler.marks_ = std::move(marks);
  return ruler;
}

std::size_t Ruler::up_to(std::int64_t byte) const {
  if (marks_.empty()) return static_cast<std::size_t>(byte / cell_) + 1;
  return static_cast<std::size_t>(std::ranges::upper_bound(marks_, byte) - marks_.begin());
}

std::optional<Grid> Grid::of(std::span<const std::int64_t> sizes, Ruler ruler, std::size_t most) {
  Grid grid;
  std::size_t words = 0;
  for (const auto size : sizes) {
    grid.firsts_.push_back(words);
    words += (ruler.up_to(size) + 63) / 64;
    if (words > most / 64 + sizes.size()) return std::nullopt;
  }
  grid.firsts_.push_back(words);
  grid.words_.resize(words);
  grid.ruler_ = std::move(ruler);
  return grid;
}

std::uint32_t Grid::number() {
  std::uint32_t before = 0;
  for (auto& word : words_) {
    word.before = before;
    before += static_cast<std::uint32_t>(std::popcount(word.bits));
  }
  return before;
}

void CommonSize::shrink(std::int64_t bytes) {
  bytes_ = std::gcd(bytes_, bytes);
  inverse_ = 1 / static_cast<double>(bytes_);
}

}  // namespace p2plab::checking
