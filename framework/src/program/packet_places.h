// SPDX-License-Identifier: Apache-2.0
// Places in memory while a packet program is made: there are millions of them, so they are looked up in flat tables.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "p2plab/program/packet_program.h"

namespace p2plab {

/// The instructions of all lanes by step, each with the rank that executes it.
inline std::vector<std::pair<const Instruction*, Rank>> instructions_by_step(const Program& program) {
  std::vector<std::pair<const Instruction*, Rank>> list;
  list.reserve(program.instructions.size());
  for (const auto& lane : program.lanes) {
    for (std::uint32_t i = 0; i < lane.count; ++i) list.emplace_back(&program.instructions[lane.first + i], lane.rank);
  }
  std::ranges::stable_sort(list, {}, [](const auto& entry) { return entry.first->step; });
  return list;
}

/// Numbers keys as they are first met, from 0 on.
class PlaceNumbers {
 public:
  using Key = std::tuple<std::int32_t, Buffer, std::int64_t>;  // rank, buffer, offset

  explicit PlaceNumbers(std::size_t expected) : buckets_(std::bit_ceil(std::max<std::size_t>(expected, 32) * 2), unused) { keys_.reserve(expected); }

  std::size_t number(const Key& key) {
    const auto mask = buckets_.size() - 1;
    for (auto at = hash_of(key) & mask;; at = (at + 1) & mask) {
      if (buckets_[at] == unused) return add(key, at);
      if (keys_[buckets_[at]] == key) return buckets_[at];
    }
  }
  /// That of a key, if it was met.
  std::optional<std::size_t> find(const Key& key) const {
    const auto mask = buckets_.size() - 1;
    for (auto at = hash_of(key) & mask; buckets_[at] != unused; at = (at + 1) & mask) {
      if (keys_[buckets_[at]] == key) return buckets_[at];
    }
    return std::nullopt;
  }
  std::size_t size() const { return keys_.size(); }
  const Key& key(std::size_t number) const& { return keys_[number]; }
  const Key& key(std::size_t number) && = delete;

 private:
  static constexpr std::uint32_t unused = std::numeric_limits<std::uint32_t>::max();

  static std::size_t hash_of(const Key& key) {
    constexpr std::size_t mixer = 0x9E3779B97F4A7C15U;
    const auto& [rank, buffer, offset] = key;
    auto hash = static_cast<std::size_t>(offset) * mixer;
    hash = (hash ^ hash >> 32 ^ static_cast<std::size_t>(rank) << 2 ^ static_cast<std::size_t>(buffer)) * mixer;
    return hash ^ hash >> 32;
  }

  std::size_t add(const Key& key, std::size_t bucket) {
    buckets_[bucket] = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back(key);
    if (keys_.size() * 2 > buckets_.size()) grow();
    return keys_.size() - 1;
  }

  void grow() {
    buckets_.assign(buckets_.size() * 2, unused);
    const auto mask = buckets_.size() - 1;
    for (std::size_t number = 0; number < keys_.size(); ++number) {
      auto at = hash_of(keys_[number]) & mask;
      while (buckets_[at] != unused) at = (at + 1) & mask;
      buckets_[at] = static_cast<std::uint32_t>(number);
    }
  }

  std::vector<std::uint32_t> buckets_;  // open addressing
  std::vector<Key> keys_;
};

/// A set of places in one rank's buffers.
class BufferPlaces {
 public:
  void add(const PacketOperand& at) { offsets_[static_cast<std::size_t>(at.buffer)].insert(at.offset); }
  bool has(const PacketOperand& at) const { return offsets_[static_cast<std::size_t>(at.buffer)].contains(at.offset); }
  void clear() {
    for (auto& offsets : offsets_) offsets.clear();
  }

 private:
  std::array<std::unordered_set<std::int64_t>, 4> offsets_;  // by buffer
};

}  // namespace p2plab
