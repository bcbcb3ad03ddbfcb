// SPDX-License-Identifier: Apache-2.0
// The simulator's agenda: events in order of time, then of their making.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace p2plab {

/// What is to happen. The index is a thread block (issue, send), a transfer (hop), a turn at a stage (turn) or, with fair sharing, a flow's end
/// (drain) or nothing (share).
enum class EventKind : std::uint32_t { issue, send, hop, turn, drain, share };

struct Event {
  EventKind kind;
  std::uint32_t index;
};

/// Ranks that do the same do it at the same time, so events of one time are kept together, a batch: a radix heap (Ahuja, Mehlhorn, Orlin, Tarjan
/// 1990) orders them, as no time is in the past, and a small table finds the batch of a time that was asked for lately. Events of the present moment
/// need no heap. Bucket b of the heap holds the times whose highest bit that differs from the present one's is bit b - 1.
class EventQueue {
 public:
  static constexpr int index_bits = 28;
  using Packed = std::uint32_t;

  static Event unpack(Packed packed) {
    constexpr std::uint32_t mask = (std::uint32_t{1} << index_bits) - 1;
    return {static_cast<EventKind>(packed >> index_bits), packed & mask};
  }

  std::int64_t now() const { return now_; }
  std::int64_t count() const { return count_; }

  /// `time` must not be in the past.
  void push(std::int64_t time, EventKind kind, std::uint32_t index) {
    const auto packed = static_cast<std::uint32_t>(kind) << index_bits | index;
    ++count_;
    if (time == now_) {
      present_.push_back(packed);
      return;
    }
    auto& recent = recent_[static_cast<std::size_t>(static_cast<std::uint64_t>(time) * 0x9E3779B97F4A7C15U >> (64 - recent_bits))];
    if (recent.time != time) {
      recent = {time, make_batch(time)};
    } else if (chunks_[recent.last].count == chunk_size) {
      const auto fresh = make_chunk();
      chunks_[recent.last].next = fresh;
      recent.last = fresh;
    }
    auto& chunk = chunks_[recent.last];
    chunk.events[chunk.count++] = packed;
  }

  /// Is nothing left to do at the present time?
  bool quiet() const { return current_ == none && present_.empty() && due_ == buckets_[0].size(); }

  /// All events to come, in order: visit(time, event). Only when quiet.
  template <class Visit>
  void each(Visit visit) const {
    auto order = batches();
    std::stable_sort(order.begin(), order.end(), [](const Batch& a, const Batch& b) { return a.time < b.time; });
    for (const auto& batch : order) {
      for (auto chunk = batch.first; chunk != none; chunk = chunks_[chunk].next) {
        for (std::uint32_t i = 0; i < chunks_[chunk].count; ++i) visit(batch.time, unpack(chunks_[chunk].events[i]));
      }
    }
  }

  /// Moves the clock and all events to come on by `time`, as if `events` more had been made meanwhile. Only when quiet.
  void shift(std::int64_t time, std::int64_t events) {
    const auto all = batches();
    for (auto& bucket : buckets_) bucket.clear();
    filled_ = 0;
    due_ = 0;
    now_ += time;
    count_ += events;
    for (const auto& batch : all) keep({batch.time + time, batch.first});
    recent_.fill({});
  }

  /// Puts all events of the next time there is into `events`, in no order; those that they set off at that time come by the next call.
  void take_moment(std::vector<Packed>& events) {
    events.clear();
    do {
      const auto some = take();
      events.insert(events.end(), some.begin(), some.end());
    } while (current_ != none || (!events.empty() && due_ < buckets_[0].size()));
  }

  /// The next events, all of one time, to which the clock moves; empty if there are none. Valid until the next call.
  std::span<const Packed> take() {
    if (current_ == none) {
      // Events that lie in the heap for this very moment were made earlier than those of the present.
      if (!present_.empty() && due_ == buckets_[0].size()) {
        taken_.swap(present_);
        present_.clear();
        return taken_;
      }
      if (!begin_batch()) return {};
    }
    const auto chunk = current_;
    taken_chunk_ = chunks_[chunk];
    current_ = taken_chunk_.next;
    chunks_[chunk].next = free_chunk_;
    free_chunk_ = chunk;
    return {taken_chunk_.events.data(), taken_chunk_.count};
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr int recent_bits = 10;
  static constexpr std::size_t chunk_size = 6;
  struct Chunk {
    std::array<Packed, chunk_size> events{};
    std::uint32_t count = 0;
    std::uint32_t next = none;
  };
  struct Recent {
    std::int64_t time = -1;
    std::uint32_t last = 0;  // of its chunks
  };
  struct Batch {
    std::int64_t time = 0;
    std::uint32_t first = none;  // of its chunks
  };

  std::uint32_t make_batch(std::int64_t time) {
    const auto first = make_chunk();
    keep({time, first});
    return first;
  }

  // Batches of one time lie in one bucket, in the order of their making.
  void keep(const Batch& batch) {
    const auto bucket = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(batch.time ^ now_)));
    buckets_[bucket].push_back(batch);
    filled_ |= std::uint64_t{1} << bucket;
  }

  std::vector<Batch> batches() const {
    std::vector<Batch> all(buckets_[0].begin() + static_cast<std::ptrdiff_t>(due_), buckets_[0].end());
    for (std::size_t b = 1; b < buckets_.size(); ++b) all.insert(all.end(), buckets_[b].begin(), buckets_[b].end());
    return all;
  }

  std::uint32_t make_chunk() {
    if (free_chunk_ == none) {
      chunks_.emplace_back();
      return static_cast<std::uint32_t>(chunks_.size() - 1);
    }
    const auto chunk = free_chunk_;
    free_chunk_ = chunks_[chunk].next;
    chunks_[chunk].count = 0;
    chunks_[chunk].next = none;
    return chunk;
  }

  // The next batch becomes the current one; false if there is none.
  bool begin_batch() {
    if (due_ == buckets_[0].size() && !move_on()) return false;
    current_ = buckets_[0][due_++].first;
    return true;
  }

  // Moves the clock to the next time there is, and what is due then into the first bucket.
  bool move_on() {
    buckets_[0].clear();
    due_ = 0;
    filled_ &= ~std::uint64_t{1};
    if (filled_ == 0) return false;
    const auto nearest = static_cast<std::size_t>(std::countr_zero(filled_));
    filled_ &= filled_ - 1;
    auto& bucket = buckets_[nearest];
    now_ = bucket.front().time;
    for (const auto& batch : bucket) now_ = std::min(now_, batch.time);
    for (const auto& batch : bucket) keep(batch);
    bucket.clear();
    return true;
  }

  std::int64_t now_ = 0;
  std::int64_t count_ = 0;
  std::array<std::vector<Batch>, 64> buckets_;  // times are not negative
  std::uint64_t filled_ = 0;                    // which of them hold something
  std::size_t due_ = 0;                         // batches of the first that are taken
  std::vector<Chunk> chunks_;
  std::uint32_t free_chunk_ = none;
  std::uint32_t current_ = none;  // rest of the batch that is being taken
  Chunk taken_chunk_;
  std::vector<Packed> present_;
  std::vector<Packed> taken_;
  std::array<Recent, std::size_t{1} << recent_bits> recent_{};
};

}  // namespace p2plab
