// SPDX-License-Identifier: Apache-2.0
// Transfers: from resource to resource along their paths.
#include "engine/engine.h"

namespace p2plab {

// Of `wire` bytes, before its path's first stage.
Engine::Transfer Engine::transfer_on(const Path& path, std::int64_t wire, std::uint32_t block, Place place) const {
  return {.bytes = c_.link_bytes(path, wire),
          .first = path.first,
          .stage = path.first,
          .end = path.end,
          .block = block,
          .order = place.order,
          .ordinal = place.ordinal,
          .alone = blocks_[block].total == 1};
}

// Sends a transfer off at its first stage; returns when that stage has taken all of it, which is when its sender may go on. If that is not known
// yet, the sender hears of it later (`let_go`).
std::int64_t Engine::launch(Transfer transfer) {
  if (!c_.fair && may_pass(transfer)) {
    const auto end = pass(transfer);
    move_on(transfer, none);
    return end;
  }
  auto& k = blocks_[transfer.block];
  ++(transfer.reads ? k.loading : k.storing);
  transfer.paces = true;
  const auto index = keep_transfer(transfer);
  if (c_.fair) return flow_off(index);
  stand_in_line(index);
  return queue_.now();
}

void Engine::hop(std::uint32_t index) {
  if (c_.fair) {
    flow_off(index);
    return;
  }
  auto& t = transfers_[index];
  if (!may_pass(t)) return stand_in_line(index);
  ++cause_;
  pass(t);
  move_on(t, index);
}

// The head is at its stage and it is its turn: books the stage behind those whose turn came before. The head goes on after the stage's latency
// (cut-through), the tail follows as fast as the slowest stage so far allows.
std::int64_t Engine::pass(Transfer& t) {
  if (overflow_) return latest;
  const auto& stage = c_.stages[t.stage];
  if (c_.folded) look_for_tie(stage.resource);
  auto& resource = c_.resources[stage.resource];
  const auto start = std::max(queue_.now(), resource.free);
  const auto served = resource.pace.of(t.bytes);
  const auto end = std::min(latest, start + served);
  resource.free = end;
  resource.busy += served;
  resource.bytes += t.bytes;
  if (keep_.recording != nullptr) record_hop(t, stage.resource, start, end);
  if (!t.alone) until_at(turn_of(t.stage, t.block)) = end;
  t.tail = std::max(t.tail, end) + stage.latency;
  t.head = start + stage.latency;
  ++t.stage;
  return end;
}

void Engine::look_for_tie(std::uint32_t resource) {
  auto& head = heads_[resource];
  if (head.time == queue_.now() && head.cause != cause_) ambiguous_ = true;
  head = {queue_.now(), cause_};
}

// After a stage: either the time of arrival is known, or the head is on its way to the next one.
void Engine::move_on(const Transfer& t, std::uint32_t index) {
  if (t.stage < t.end) return push(t.head, EventKind::hop, index == none ? keep_transfer(t) : index);
  const auto last = t;
  if (index != none) unused_.push_back(index);
  finish(last);
}

void Engine::finish(const Transfer& t) {
  auto& k = blocks_[t.block];
  auto& s = slot(k, t.order);
  if (!t.reads) {
    s.tail = std::max(s.tail, t.tail);
    if (--s.writes == 0) settle(k, t.block);
    return;
  }
  s.arrived = std::max(s.arrived, t.tail);
  if (--s.reads > 0) return;
  back(t.block);
  front(t.block);
}

std::uint32_t Engine::keep_transfer(const Transfer& transfer) {
  if (unused_.empty()) {
    if (transfers_.size() + 1 >= std::size_t{1} << EventQueue::index_bits) overflow_ = true;
    transfers_.push_back(transfer);
    return static_cast<std::uint32_t>(transfers_.size() - 1);
  }
  const auto t = unused_.back();
  unused_.pop_back();
  transfers_[t] = transfer;
  return t;
}

void Engine::record_hop(const Transfer& t, std::uint32_t resource, std::int64_t start, std::int64_t end) {
  const auto& k = blocks_[t.block];
  const auto& program = *keep_.program;
  const auto& i = program.instructions[instruction_of(k, slot(k, t.order).work)];
  auto operand = i.operands;
  for (auto ordinal = t.ordinal;; ++operand) {
    const auto& o = program.operands[operand];
    const bool remote = o.rank != rank_of(k) || o.buffer == Buffer::host;
    if (remote && ordinal-- == 0) break;
  }
  keep_.recording->hops.push_back({static_cast<std::int64_t>(k.log + t.order), operand, resource, SimTime{t.head}, SimTime{start}, SimTime{end}});
}

}  // namespace p2plab
