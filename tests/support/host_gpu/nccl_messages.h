// SPDX-License-Identifier: Apache-2.0
// Communicators of the NCCL of tests, and its sends and receives: all of a group at the same time, through rings of slots that two ranks share.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/host_gpu/enqueue.h"
#include "support/host_gpu/nccl_segment.h"

namespace p2plab::test {

enum { success = 0 };

struct NcclComm {
  std::string name;
  Segment* shared = nullptr;
  int ranks = 0;
  int rank = 0;
  std::atomic<std::uint64_t> calls{0};
  std::uint64_t splits = 0;
  std::array<std::atomic<std::uint64_t>, Segment::most> sent = {};  // slots, by peer
  std::array<std::atomic<std::uint64_t>, Segment::most> received = {};
  std::atomic<int> pending{0};
  std::shared_ptr<char> held = std::make_shared<char>();  // by calls in graphs, too
  std::atomic<bool> aborted{false};
  std::vector<double> scalars = {};  // of operations that a caller made
};

template <class Work>
int put(NcclComm* comm, void* stream, Work&& work) {
  const bool captured = host_capture_of(stream) != 0;  // then nobody knows how often it will run
  if (!captured) ++comm->pending;
  enqueue(stream, [comm, captured, held = captured ? comm->held : nullptr, work = std::forward<Work>(work)] {
    work();
    if (!captured) --comm->pending;
  });
  return success;
}

// A send or a receive, slot by slot.
struct Message {
  NcclComm* comm;
  void* stream;
  bool sends;
  int peer;
  char* memory;
  std::size_t bytes;
  std::uint64_t first = 0;  // of its slots
  std::uint64_t moved = 0;

  std::uint64_t slots() const { return (bytes + Segment::slot - 1) / Segment::slot; }
  std::atomic<std::uint64_t>& counter() const { return sends ? comm->sent[at(peer)] : comm->received[at(peer)]; }
  // Moves one slot if that can be done now.
  bool moves() {
    if (moved == slots()) return false;
    const auto number = first + moved;
    auto& ends = sends ? comm->shared->messages[comm->rank][peer] : comm->shared->messages[peer][comm->rank];
    auto* const slot =
        sends ? comm->shared->mail[comm->rank][peer][number % Segment::slots] : comm->shared->mail[peer][comm->rank][number % Segment::slots];
    const auto from = moved * Segment::slot;
    const auto size = std::min(Segment::slot, bytes - from);
    if (sends) {
      if (ends.sent.load() != number || number - ends.taken.load() >= Segment::slots) return false;
      std::memcpy(slot, memory + from, size);
      ends.sent = number + 1;
    } else {
      if (ends.sent.load() <= number || ends.taken.load() != number) return false;
      std::memcpy(memory + from, slot, size);
      ends.taken = number + 1;
    }
    ++moved;
    return true;
  }
  static std::size_t at(int peer) { return static_cast<std::size_t>(peer); }
};

struct Group {
  int depth = 0;
  std::vector<Message> messages;
};
inline Group& group_of_thread() {
  thread_local Group group;
  return group;
}

// All messages of a group on one stream go on at the same time.
inline void put_messages(std::vector<Message> messages) {
  auto* const comm = messages.front().comm;
  auto* const stream = messages.front().stream;
  const bool captured = host_capture_of(stream) != 0;
  const auto count = [](std::vector<Message>& all) {
    for (auto& message : all) message.first = message.counter().fetch_add(message.slots());
  };
  if (!captured) count(messages);
  put(comm, stream, [comm, captured, count, messages = std::move(messages)] {
    auto all = messages;
    if (captured) count(all);
    const auto done = [&] { return std::all_of(all.begin(), all.end(), [](const Message& message) { return message.moved == message.slots(); }); };
    while (!comm->aborted && !done()) {
      bool moved = false;
      for (auto& message : all) moved = message.moves() || moved;
      if (!moved) std::this_thread::yield();
    }
  });
}

inline int add_message(const Message& message) {
  auto& group = group_of_thread();
  group.messages.push_back(message);
  if (group.depth == 0) put_messages(std::exchange(group.messages, {}));
  return success;
}

inline int end_group() {
  auto& group = group_of_thread();
  if (--group.depth > 0) return success;
  auto left = std::exchange(group.messages, {});
  while (!left.empty()) {
    const auto others =
        std::stable_partition(left.begin(), left.end(), [&, comm = left.front().comm, stream = left.front().stream](const Message& message) {
          return message.comm == comm && message.stream == stream;
        });
    put_messages({left.begin(), others});
    left.erase(left.begin(), others);
  }
  return success;
}

}  // namespace p2plab::test
