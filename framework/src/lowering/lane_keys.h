// SPDX-License-Identifier: Apache-2.0
// Which steps belong together on one thread block: same rank, same channel, same remote ranks; or only the one step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "schedule/key_table.h"

namespace p2plab {

/// Numbers lists of words as they are first met, from 0 on. There may be millions, so they lie in one piece of memory.
class LaneKeys {
 public:
  using Words = std::span<const std::int32_t>;

  std::size_t number(Words words) {
    const auto hash = hash_of(words);
    const auto known = table_.find(hash, [&](std::int32_t id) { return std::ranges::equal(key(static_cast<std::size_t>(id)), words); });
    if (known != KeyTable::none) return static_cast<std::size_t>(known);
    const auto fresh = size();
    words_.insert(words_.end(), words.begin(), words.end());
    ends_.push_back(words_.size());
    table_.add(hash, static_cast<std::int32_t>(fresh));
    return fresh;
  }
  std::size_t size() const { return ends_.size() - 1; }

 private:
  static std::uint64_t hash_of(Words words) {
    std::uint64_t hash = words.size();
    for (const auto word : words) hash = (hash ^ static_cast<std::uint32_t>(word)) * 0x9E3779B97F4A7C15U + (hash >> 31);
    return hash;
  }
  Words key(std::size_t number) const { return Words{words_}.subspan(ends_[number], ends_[number + 1] - ends_[number]); }

  std::vector<std::int32_t> words_;
  std::vector<std::size_t> ends_ = {0};
  KeyTable table_;
};

}  // namespace p2plab
