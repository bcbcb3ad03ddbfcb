// The simulator's agenda: events in order of time, then of their making.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace p2plab {

/// What is to happen. The index is a thread block (front, back) or a transfer (hop).
enum class EventKind : std::uint32_t { front, back, hop };

struct Event {
  EventKind kind;
  std::uint32_t index;
};

/// A 4-ary heap on one flat array, and a queue for events at the present moment, which need no heap.
class EventQueue {
 public:
  static constexpr int index_bits = 28;

  std::int64_t now() const { return now_; }
  std::int64_t count() const { return static_cast<std::int64_t>(sequence_); }

  /// `time` must not be in the past.
  void push(std::int64_t time, EventKind kind, std::uint32_t index) {
    const auto payload = static_cast<std::uint32_t>(kind) << index_bits | index;
    ++sequence_;
    if (time == now_) {
      present_.push_back(payload);
      return;
    }
    heap_.push_back({});
    sift_up(heap_.size() - 1, {time, sequence_ << payload_bits | payload});
  }

  /// Takes the next event and moves the clock to it; false if there is none.
  bool pop(Event& event) {
    // Events that lie in the heap for this very moment were made earlier than those in the queue.
    if (!present_.empty() && (heap_.empty() || heap_.front().time != now_)) {
      event = unpack(present_[next_]);
      if (++next_ == present_.size()) {
        present_.clear();
        next_ = 0;
      }
      return true;
    }
    if (heap_.empty()) return false;
    now_ = heap_.front().time;
    event = unpack(static_cast<std::uint32_t>(heap_.front().key & payload_mask));
    const auto last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sift_down(last);
    return true;
  }

 private:
  static constexpr int payload_bits = index_bits + 2;
  static constexpr std::uint64_t payload_mask = (std::uint64_t{1} << payload_bits) - 1;
  struct Entry {
    std::int64_t time = 0;
    std::uint64_t key = 0;   // sequence, then payload
    friend bool operator<(const Entry& a, const Entry& b) { return a.time < b.time || (a.time == b.time && a.key < b.key); }
  };

  static Event unpack(std::uint32_t payload) {
    constexpr std::uint32_t mask = (std::uint32_t{1} << index_bits) - 1;
    return {static_cast<EventKind>(payload >> index_bits), payload & mask};
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
  std::uint64_t sequence_ = 0;
  std::vector<Entry> heap_;
  std::vector<std::uint32_t> present_;
  std::size_t next_ = 0;
};

}  // namespace p2plab
