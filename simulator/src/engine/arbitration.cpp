// SPDX-License-Identifier: Apache-2.0
// Who goes next at a stage. Each thread block has at most one transfer of a path in line at a resource, so those that share it are served in turn;
// and none goes on while so many of its kind wait at the next stage that it would only wait there too. So what is slow further on holds its senders
// back, not others that use the same links: as credits and separate queues for each input do in switches.
#include <algorithm>
#include <utility>

#include "engine/engine.h"

namespace p2plab {

// Those that wait at the next stage keep it busy for longer than the way there takes.
bool Engine::held(const Transfer& t) {
  if (t.stage + 1 == t.end) return false;
  const auto* next = queue_at(turn_of(t.stage + 1, t.block));
  return next != nullptr && c_.resources[c_.stages[t.stage + 1].resource].pace.of(t.bytes) > c_.stages[t.stage].latency / next->count;
}

bool Engine::may_pass(const Transfer& t) {
  if (t.alone) return true;
  const auto until = arbitration_[turn_of(t.stage, t.block)];
  return until >= 0 && until <= queue_.now() && !held(t);
}

void Engine::stand_in_line(std::uint32_t index) {
  auto& t = transfers_[index];
  t.next = none;
  const auto turn = turn_of(t.stage, t.block);
  if (auto* queue = queue_at(turn)) {
    transfers_[queue->last].next = index;
    queue->last = index;
    ++queue->count;
    return;
  }
  if (unused_queues_.empty()) {
    unused_queues_.push_back(static_cast<std::uint32_t>(queues_.size()));
    queues_.emplace_back();
  }
  const auto fresh = unused_queues_.back();
  unused_queues_.pop_back();
  queues_[fresh] = {.until = arbitration_[turn], .first = index, .last = index, .count = 1};
  arbitration_[turn] = -1 - std::int64_t{fresh};
  let_in(t.stage, t.block);
}

// Takes the first one out.
std::uint32_t Engine::leave_queue(std::size_t turn) {
  auto& queue = *queue_at(turn);
  const auto index = queue.first;
  queue.first = transfers_[index].next;
  if (--queue.count > 0) return index;
  unused_queues_.push_back(static_cast<std::uint32_t>(-1 - arbitration_[turn]));
  arbitration_[turn] = queue.until;
  return index;
}

// The stage has taken what went in last.
void Engine::turn(std::uint32_t turn) {
  auto* queue = queue_at(turn);
  if (queue == nullptr) return;
  queue->due = false;
  const auto& t = transfers_[queue->first];
  let_in(t.stage, t.block);
}

// Lets in whoever may pass of those that wait at a stage, and then of those at the stage before.
void Engine::let_in(std::uint32_t stage, std::uint32_t block) {
  const auto turn = turn_of(stage, block);
  while (auto* queue = queue_at(turn)) {
    if (queue->until > queue_.now()) {
      if (!std::exchange(queue->due, true)) push(queue->until, EventKind::turn, static_cast<std::uint32_t>(turn));
      return;
    }
    if (held(transfers_[queue->first])) return;
    const auto index = leave_queue(turn);
    ++cause_;
    auto t = transfers_[index];
    const auto end = pass(t);
    const bool paces = std::exchange(t.paces, false);
    transfers_[index] = t;
    move_on(t, index);
    if (paces) let_go(t, end);
    if (stage > t.first) let_in(stage - 1, block);
  }
}

// A transfer's first stage (with fair sharing, all of them) has taken it at `time`: its sender may then go on.
void Engine::let_go(const Transfer& t, std::int64_t time) {
  auto& k = blocks_[t.block];
  auto& waiting = t.reads ? k.loading : k.storing;
  auto& free = t.reads ? k.front_free : k.back_free;
  free = std::max(free, time);
  if (auto* r = record(k, t.order); r != nullptr && !t.reads) r->released = std::max(r->released, SimTime{time});
  if (--waiting > 0) return;
  back(t.block);
  consider(k, t.block);
}

}  // namespace p2plab
