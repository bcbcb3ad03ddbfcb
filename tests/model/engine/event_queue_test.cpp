// SPDX-License-Identifier: Apache-2.0
#include "engine/event_queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace p2plab::event_queue_test {
namespace {

// What is to come, by time, in the order of its making.
using Agenda = std::map<std::int64_t, std::vector<std::uint32_t>>;

void push(EventQueue& queue, Agenda& agenda, std::int64_t time, std::uint32_t index) {
  queue.push(time, EventKind::hop, index);
  agenda[time].push_back(index);
}

// Takes the events of the next time there is, and compares them with the agenda's.
void expect_next(EventQueue& queue, Agenda& agenda) {
  std::vector<EventQueue::Packed> events;
  queue.take_moment(events);
  ASSERT_FALSE(events.empty());
  ASSERT_EQ(queue.now(), agenda.begin()->first);
  std::vector<std::uint32_t> indices;
  for (const auto packed : events) {
    EXPECT_EQ(EventQueue::unpack(packed).kind, EventKind::hop);
    indices.push_back(EventQueue::unpack(packed).index);
  }
  ASSERT_EQ(indices, agenda.begin()->second) << "at time " << queue.now();
  agenda.erase(agenda.begin());
}

TEST(EventQueue, GivesEventsByTimeAndThenByTheirMaking) {
  for (const std::int64_t spread : {3, 40, 5000, 1 << 30}) {
    EventQueue queue;
    Agenda agenda;
    std::mt19937_64 random(static_cast<std::uint64_t>(spread));
    std::uint32_t made = 0;
    for (int i = 0; i < 20; ++i) push(queue, agenda, static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(spread)) + 1, made++);
    while (!agenda.empty()) {
      expect_next(queue, agenda);
      if (HasFatalFailure()) return;
      for (auto more = random() % 3; more > 0 && made < 5000; --more)
        push(queue, agenda, queue.now() + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(spread)), made++);
    }
    EXPECT_TRUE(queue.quiet());
    EXPECT_TRUE(queue.take().empty());
    EXPECT_EQ(queue.count(), made);
  }
}

TEST(EventQueue, KeepsItsOrderWhenAllIsMovedOn) {
  constexpr std::int64_t later = 987'654'321;
  EventQueue queue;
  Agenda agenda;
  for (std::uint32_t i = 0; i < 400; ++i) push(queue, agenda, 1 + (i * 37) % 91, i);
  for (int moments = 0; moments < 40; ++moments) expect_next(queue, agenda);
  ASSERT_TRUE(queue.quiet());
  queue.shift(later, 7);
  Agenda moved;
  for (const auto& [time, events] : agenda) moved[time + later] = events;
  std::vector<std::uint32_t> listed;
  queue.each([&](std::int64_t time, Event event) {
    EXPECT_TRUE(moved.contains(time));
    listed.push_back(event.index);
  });
  std::vector<std::uint32_t> owed;
  for (const auto& [time, events] : moved) owed.insert(owed.end(), events.begin(), events.end());
  EXPECT_EQ(listed, owed);
  EXPECT_EQ(queue.count(), 407);
  push(queue, moved, queue.now() + 5, 400);
  while (!moved.empty()) expect_next(queue, moved);
  EXPECT_TRUE(queue.quiet());
}

}  // namespace
}  // namespace p2plab::event_queue_test
