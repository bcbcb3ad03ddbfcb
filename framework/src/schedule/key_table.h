// SPDX-License-Identifier: Apache-2.0
// Numbers by 64-bit keys, in one piece of memory: what is asked for millions of times.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace p2plab {

/// Keys and ids from 0 on; nothing is ever taken out.
class KeyTable {
 public:
  static constexpr std::int32_t none = -1;

  /// The id with this key of which `is_it` holds, for a key may stand for several; none if there is none.
  template <class IsIt>
  std::int32_t find(std::uint64_t key, IsIt is_it) const {
    for (auto slot = slot_of(key);; slot = (slot + 1) & (entries_.size() - 1)) {
      const auto& entry = entries_[slot];
      if (entry.id == none || (entry.key == key && is_it(entry.id))) return entry.id;
    }
  }
  std::int32_t find(std::uint64_t key) const {
    return find(key, [](std::int32_t) { return true; });
  }
  /// To be called where `find` finds none.
  void add(std::uint64_t key, std::int32_t id) {
    if (++count_ * 2 > entries_.size()) {
      const std::size_t times = entries_.size() < soon_large ? 8 : 2;
      for (const auto& old : std::exchange(entries_, std::vector<Entry>(entries_.size() * times))) {
        if (old.id != none) put(old);
      }
    }
    put({key, id});
  }

 private:
  static constexpr std::size_t soon_large = 4096;  // entries: 64 KiB
  struct Entry {
    std::uint64_t key = 0;
    std::int32_t id = none;
  };
  std::size_t slot_of(std::uint64_t key) const { return ((key * 0x9E3779B97F4A7C15U) >> 32) & (entries_.size() - 1); }
  void put(const Entry& entry) {
    auto slot = slot_of(entry.key);
    while (entries_[slot].id != none) slot = (slot + 1) & (entries_.size() - 1);
    entries_[slot] = entry;
  }

  std::vector<Entry> entries_ = std::vector<Entry>(16);  // a power of two, at most half full
  std::size_t count_ = 0;
};

}  // namespace p2plab
