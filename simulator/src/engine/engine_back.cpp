// SPDX-License-Identifier: Apache-2.0
// The end of a slice: sent when its loads are there, complete in order, then known to those who wait for it.
#include "engine/engine.h"

#include <algorithm>

namespace p2plab {

// Injects slices whose loads are there.
void Engine::back(std::uint32_t block) {
  auto& k = blocks_[block];
  while (k.injected < k.issued) {
    auto& s = slot(k, k.injected);
    if (s.reads > 0 || k.storing > 0) return;
    if (k.back_due == never) {
      k.back_due = std::max(s.arrived, k.back_free) + c_.works[s.work].cost;
      if (k.back_due > queue_.now()) return push(k.back_due, EventKind::back, block);
    }
    if (k.back_due > queue_.now()) return;
    k.back_due = never;
    inject(k, block, s);
  }
}

// Sends a slice to all its destinations.
void Engine::inject(Block& k, std::uint32_t block, Slot& s) {
  const auto now = queue_.now();
  ++cause_;
  const auto& work = c_.works[s.work];
  const auto& lane = lane_of(k);
  const auto wire = c_.wire(s.bytes);
  const auto local = s.bytes * work.local_operands;
  auto own = now + std::max(c_.store.of(wire * work.destinations), c_.reduce.of(local));
  if (!c_.memories.empty() && local > 0) own = std::max(own, serve_memory(k, local));
  auto* r = record(k, k.injected);
  auto paced = own;
  transfers_made_ += work.destinations;
  s.tail = work.destinations > 0 ? 0 : own;
  s.writes = work.destinations + 1U;  // one more, so that it does not settle before all are launched
  for (std::uint32_t o = 0; o < work.destinations; ++o) {
    const auto& path = c_.path(lane, work.paths + work.sources + o);
    auto t = transfer_on(path, wire, block, {k.injected, work.sources + o});
    t.head = now;
    t.tail = own;
    paced = std::max(paced, launch(t));
  }
  k.back_free = paced;
  ++k.injected;
  if (r != nullptr) {
    r->injected = SimTime{now};
    r->arrived = SimTime{s.arrived};
    r->processed = SimTime{own};
    r->released = SimTime{paced};
  }
  if (--s.writes == 0) settle(k, block);
}

std::int64_t Engine::serve_memory(Block& k, std::int64_t local) {
  const auto index = static_cast<std::uint32_t>(c_.memories[rank_of(k).index()]);
  if (c_.folded) look_for_tie(index);
  auto& memory = c_.resources[index];
  const auto served = memory.pace.of(local);
  memory.free = std::min(latest, std::max(queue_.now(), memory.free) + served);
  memory.busy += served;
  memory.bytes += local;
  return memory.free;
}

// Slices complete in order: a flag promises all that came before it.
void Engine::settle(Block& k, std::uint32_t block) {
  auto time = k.settled > 0 ? log_[k.log + k.settled - 1] : 0;
  while (k.settled < k.injected && slot(k, k.settled).writes == 0) {
    const auto& s = slot(k, k.settled);
    time = std::max(time, s.tail + c_.works[s.work].after);
    if (time >= latest) overflow_ = true;
    log_[k.log + k.settled] = time;
    if (auto* r = record(k, k.settled)) r->complete = SimTime{time};
    ++k.settled;
  }
  if (k.least_needed <= k.settled) wake_waiters(k);
  if (!k.stalled) return;
  k.stalled = false;
  consider(k, block);
}

void Engine::wake_waiters(Block& k) {
  auto index = k.first_waiter;
  k.first_waiter = none;
  k.least_needed = none;
  while (index != none) {
    auto& waiter = blocks_[index];
    const auto next = waiter.next_waiter;
    if (waiter.needed > k.settled) {
      waiter.next_waiter = k.first_waiter;
      k.first_waiter = index;
      k.least_needed = std::min(k.least_needed, waiter.needed);
    } else {
      waiter.listed = false;
      consider(waiter, index);
    }
    index = next;
  }
}

}  // namespace p2plab
