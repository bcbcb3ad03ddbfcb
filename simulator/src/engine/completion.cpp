// SPDX-License-Identifier: Apache-2.0
// The end of a slice: sent when its loads are there, complete in order, then known to those who wait for it.
#include <algorithm>

#include "engine/thread_blocks.h"

namespace p2plab {

void ThreadBlocks::send_ready(std::uint32_t index) {
  auto& block = blocks_[index];
  while (block.sent < block.issued) {
    auto& s = slot(block, block.sent);
    if (s.reads > 0 || block.storing > 0) return;
    if (block.send_due == never) {
      block.send_due = std::max(s.arrived, block.stores_free) + program_.works[s.work].cost;
      if (block.send_due > agenda_.now()) return agenda_.schedule(block.send_due, EventKind::send, index);
    }
    if (block.send_due > agenda_.now()) return;
    block.send_due = never;
    send(block, index, s);
  }
}

// Sends a slice to all its destinations.
void ThreadBlocks::send(Block& block, std::uint32_t index, Slot& s) {
  const auto now = agenda_.now();
  ++agenda_.causes;
  const auto& work = program_.works[s.work];
  auto& costs = costs_of(block);
  const auto wire = program_.wire(costs, s.bytes);
  const auto local = s.bytes * work.local_operands;
  auto own = now + std::max(costs.store.of(wire * work.destinations), costs.reduce.of(local));
  if (!program_.memories.empty() && local > 0) own = std::max(own, serve_memory(block, local));
  auto* r = record(block, block.sent);
  auto paced = own;
  agenda_.transfers += work.destinations;
  s.tail = work.destinations > 0 ? 0 : own;
  s.writes = work.destinations + 1U;  // one more, so that it does not complete before all are launched
  for (std::uint32_t o = 0; o < work.destinations; ++o) {
    const auto& path = program_.path(lane_of(block), work.paths + work.sources + o);
    auto transfer = transfer_on(path, wire, index);
    transfer.slice = block.sent;
    transfer.operand = work.sources + o;
    transfer.head = now;
    transfer.tail = own;
    paced = std::max(paced, links_->launch(transfer));
  }
  block.stores_free = paced;
  ++block.sent;
  if (r != nullptr) {
    r->injected = SimTime{now};
    r->arrived = SimTime{s.arrived};
    r->processed = SimTime{own};
    r->released = SimTime{paced};
  }
  if (--s.writes == 0) complete(block, index);
}

std::int64_t ThreadBlocks::serve_memory(const Block& block, std::int64_t local) {
  const auto index = static_cast<std::uint32_t>(program_.memories[rank_of(block).index()]);
  if (program_.folded) agenda_.look_for_tie(index);
  auto& memory = program_.resources[index];
  const auto served = memory.transfer_time.of(local);
  memory.free = std::min(latest, std::max(agenda_.now(), memory.free) + served);
  memory.busy += served;
  memory.bytes += local;
  return memory.free;
}

void ThreadBlocks::arrived(const Transfer& transfer) {
  auto& block = blocks_[transfer.block];
  auto& s = slot(block, transfer.slice);
  if (!transfer.reads) {
    s.tail = std::max(s.tail, transfer.tail);
    if (--s.writes == 0) complete(block, transfer.block);
    return;
  }
  s.arrived = std::max(s.arrived, transfer.tail);
  if (--s.reads > 0) return;
  send_ready(transfer.block);
  issue_ready(transfer.block);
}

void ThreadBlocks::hold(const Transfer& transfer) {
  auto& block = blocks_[transfer.block];
  ++(transfer.reads ? block.loading : block.storing);
}

void ThreadBlocks::released(const Transfer& transfer, std::int64_t time) {
  auto& block = blocks_[transfer.block];
  auto& waiting = transfer.reads ? block.loading : block.storing;
  auto& free = transfer.reads ? block.loads_free : block.stores_free;
  free = std::max(free, time);
  if (auto* r = record(block, transfer.slice); r != nullptr && !transfer.reads) r->released = std::max(r->released, SimTime{time});
  if (--waiting > 0) return;
  send_ready(transfer.block);
  reconsider(block, transfer.block);
}

// Slices complete in order: a flag promises all that came before it.
void ThreadBlocks::complete(Block& block, std::uint32_t index) {
  auto time = block.completed > 0 ? completions_[block.first + block.completed - 1] : 0;
  while (block.completed < block.sent && slot(block, block.completed).writes == 0) {
    const auto& s = slot(block, block.completed);
    time = std::max(time, s.tail + program_.works[s.work].after);
    if (time >= latest) agenda_.overflow = true;
    completions_[block.first + block.completed] = time;
    if (auto* r = record(block, block.completed)) r->complete = SimTime{time};
    ++block.completed;
  }
  if (block.least_needed <= block.completed) wake_waiters(block);
  if (!block.stalled) return;
  block.stalled = false;
  reconsider(block, index);
}

void ThreadBlocks::wake_waiters(Block& block) {
  auto index = block.first_waiter;
  block.first_waiter = no_index;
  block.least_needed = no_index;
  while (index != no_index) {
    auto& waiter = blocks_[index];
    const auto next = waiter.next_waiter;
    if (waiter.needed > block.completed) {
      waiter.next_waiter = block.first_waiter;
      block.first_waiter = index;
      block.least_needed = std::min(block.least_needed, waiter.needed);
    } else {
      waiter.listed = false;
      reconsider(waiter, index);
    }
    index = next;
  }
}

}  // namespace p2plab
