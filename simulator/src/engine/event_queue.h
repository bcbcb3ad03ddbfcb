// SPDX-License-Identifier: Apache-2.0
// The simulator's agenda: events in order of time, then of their making.
#pragma once

#include <algorithm>
#include <array>
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

/// Ranks that do the same do it at the same time, so events of one time are kept together: a 4-ary heap on one flat array orders the times, and
/// a small table finds the events of a time that was asked for lately. Events of the present moment need no heap.
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
      recent = {time, begin_batch(time)};
    } else if (chunks_[recent.last].count == chunk_size) {
      const auto fresh = make_chunk();
      chunks_[recent.last].next = fresh;
      recent.last = fresh;
    }
    auto& chunk = chunks_[recent.last];
    chunk.events[chunk.count++] = packed;
  }

  /// Is nothing left to do at the present time?
  bool quiet() const { return current_ == none && present_.empty() && (heap_.empty() || heap_.front().time != now_); }

  /// All events to come, in order: visit(time, event). Only when quiet.
  template <class Visit>
  void each(Visit visit) const {
    auto order = heap_;
    std::sort(order.begin(), order.end());
    for (const auto& entry : order) {
      for (auto chunk = first_of(entry); chunk != none; chunk = chunks_[chunk].next) {
        for (std::uint32_t i = 0; i < chunks_[chunk].count; ++i) visit(entry.time, unpack(chunks_[chunk].events[i]));
      }
    }
  }

  /// Moves the clock and all events to come on by `time`, as if `events` more had been made meanwhile. Only when quiet.
  void shift(std::int64_t time, std::int64_t events) {
    now_ += time;
    count_ += events;
    for (auto& entry : heap_) entry.time += time;
    recent_.fill({});
  }

  /// Some of the events that are probably next after those taken.
  std::span<const Packed> upcoming() const {
    if (current_ != none) return {chunks_[current_].events.data(), chunks_[current_].count};
    if (!present_.empty() || heap_.empty()) return {};
    const auto& chunk = chunks_[first_of(heap_.front())];
    return {chunk.events.data(), chunk.count};
  }

  /// Puts all events of the next time there is into `events`, in no order; those that they set off at that time come by the next call.
  void take_moment(std::vector<Packed>& events) {
    events.clear();
    do {
      const auto some = take();
      events.insert(events.end(), some.begin(), some.end());
    } while (current_ != none || (!events.empty() && !heap_.empty() && heap_.front().time == now_));
  }

  /// The next events, all of one time, to which the clock moves; empty if there are none. Valid until the next call.
  std::span<const Packed> take() {
    if (current_ == none) {
      // Events that lie in the heap for this very moment were made earlier than those of the present.
      if (!present_.empty() && (heap_.empty() || heap_.front().time != now_)) {
        taken_.swap(present_);
        present_.clear();
        return taken_;
      }
      if (heap_.empty()) return {};
      pop_batch();
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
  struct Entry {
    std::int64_t time = 0;
    std::uint64_t key = 0;  // order of making, then the first of its chunks
    friend bool operator<(const Entry& a, const Entry& b) { return a.time < b.time || (a.time == b.time && a.key < b.key); }
  };

  static std::uint32_t first_of(const Entry& entry) { return static_cast<std::uint32_t>(entry.key & ((std::uint64_t{1} << index_bits) - 1)); }

  std::uint32_t begin_batch(std::int64_t time) {
    const auto first = make_chunk();
    heap_.push_back({});
    sift_up(heap_.size() - 1, {time, ++batches_made_ << index_bits | first});
    return first;
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

  void pop_batch() {
    now_ = heap_.front().time;
    current_ = first_of(heap_.front());
    const auto last = heap_.back();
    heap_.pop_back();
    if (heap_.empty()) return;
    sift_down(last);
    // What comes after the next one is among these; it lies far away in memory.
    const auto soon = std::min<std::size_t>(heap_.size(), 5);
    for (std::size_t i = 0; i < soon; ++i) __builtin_prefetch(&chunks_[first_of(heap_[i])]);
  }

  void sift_up(std::size_t hole, const Entry& entry) {
    while (hole > 0) {
      const auto parent = (hole - 1) / 4;
      if (!(entry < heap_[parent])) break;
      heap_[hole] = heap_[parent];
      hole = parent;
    }
    heap_[hole] = entry;
  }

  void sift_down(const Entry& entry) {
    std::size_t hole = 0;
    const auto size = heap_.size();
    for (;;) {
      const auto first = hole * 4 + 1;
      if (first >= size) break;
      auto least = first;
      const auto end = first + 4 < size ? first + 4 : size;
      for (auto child = first + 1; child < end; ++child) {
        if (heap_[child] < heap_[least]) least = child;
      }
      if (!(heap_[least] < entry)) break;
      heap_[hole] = heap_[least];
      hole = least;
    }
    heap_[hole] = entry;
  }

  std::int64_t now_ = 0;
  std::int64_t count_ = 0;
  std::uint64_t batches_made_ = 0;
  std::vector<Entry> heap_;
  std::vector<Chunk> chunks_;
  std::uint32_t free_chunk_ = none;
  std::uint32_t current_ = none;  // rest of the batch that is being taken
  Chunk taken_chunk_;
  std::vector<Packed> present_;
  std::vector<Packed> taken_;
  std::array<Recent, std::size_t{1} << recent_bits> recent_{};
};

}  // namespace p2plab
