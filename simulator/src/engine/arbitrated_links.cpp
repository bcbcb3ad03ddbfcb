// SPDX-License-Identifier: Apache-2.0
#include "engine/arbitrated_links.h"

#include <algorithm>
#include <utility>

#include "engine/snapshot.h"
#include "engine/thread_blocks.h"

namespace p2plab {

ArbitratedLinks::ArbitratedLinks(Agenda& agenda, ThreadBlocks& blocks) : Links(agenda, blocks), in_order_(!agenda.program.places.empty()) {
  turns_.resize(program_.stages.size() * program_.blocks_per_lane);
}

std::int64_t ArbitratedLinks::launch(Transfer transfer) {
  if (in_order_) {
    blocks_.hold(transfer);
    transfer.paces = true;
    launch_at(agenda_.now(), transfer);
    return agenda_.now();
  }
  if (may_pass(transfer)) {
    const auto end = pass_stage(transfer);
    travel_on(transfer, no_index);
    return end;
  }
  blocks_.hold(transfer);
  transfer.paces = true;
  enqueue(keep(transfer));
  return agenda_.now();
}

void ArbitratedLinks::handle(const Event& event) { event.kind == EventKind::hop ? reach_stage(event.index) : serve_turn(event.index); }

void ArbitratedLinks::reach_stage(std::uint32_t index) {
  if (!may_pass(transfers_[index])) return enqueue(index);
  ++agenda_.causes;
  pass_on(index);
}

// And its thread block goes on, if it has waited for that.
void ArbitratedLinks::pass_on(std::uint32_t index) {
  auto transfer = transfers_[index];
  const auto end = pass_stage(transfer);
  const bool paces = std::exchange(transfer.paces, false);
  transfers_[index] = transfer;
  travel_on(transfer, index);
  if (paces) blocks_.released(transfer, end);
}

// The head is at its stage and it is its turn: books the stage behind those whose turn came before. The head goes on after the stage's latency
// (cut-through), the tail follows as fast as the slowest stage so far allows.
std::int64_t ArbitratedLinks::pass_stage(Transfer& transfer) {
  if (agenda_.overflow) return latest;
  const auto& stage = program_.stages[transfer.stage];
  if (program_.folded) agenda_.look_for_tie(stage.resource);
  auto& resource = program_.resources[stage.resource];
  const auto start = std::max(agenda_.now(), resource.free);
  const auto served = resource.transfer_time.of(transfer.bytes);
  const auto end = std::min(latest, start + served);
  resource.free = end;
  resource.busy += served;
  resource.bytes += transfer.bytes;
  if (agenda_.outputs.recording != nullptr) record_hop(transfer, stage.resource, start, end);
  if (!transfer.alone) busy_until(turn_of(transfer.stage, transfer.part)) = end;
  transfer.tail = std::max(transfer.tail, end) + stage.latency;
  transfer.head = start + stage.latency;
  ++transfer.stage;
  return end;
}

// After a stage: either the time of arrival is known, or the head is on its way to the next one.
void ArbitratedLinks::travel_on(const Transfer& transfer, std::uint32_t index) {
  if (transfer.stage < transfer.end) return agenda_.schedule(transfer.head, EventKind::hop, index == no_index ? keep(transfer) : index);
  const auto last = transfer;
  if (index != no_index) release(index);
  blocks_.arrived(last);
}

// Those that wait at the next stage keep it busy for longer than the way there takes.
bool ArbitratedLinks::is_held_back(const Transfer& transfer) const {
  if (transfer.stage + 1 == transfer.end) return false;
  const auto* next = queue_at(turn_of(transfer.stage + 1, transfer.part));
  if (next == nullptr) return false;
  const auto each = program_.resources[program_.stages[transfer.stage + 1].resource].transfer_time.of(transfer.bytes);
  const auto latency = program_.stages[transfer.stage].latency;
  return each > latency || each * next->count > latency;
}

bool ArbitratedLinks::may_pass(const Transfer& transfer) const {
  if (transfer.alone) return true;
  const auto until = turns_[turn_of(transfer.stage, transfer.part)];
  return until >= 0 && until <= agenda_.now() && !is_held_back(transfer);
}

void ArbitratedLinks::enqueue(std::uint32_t index) {
  auto& transfer = transfers_[index];
  transfer.next = no_index;
  const auto turn = turn_of(transfer.stage, transfer.part);
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
  queues_[fresh] = {.until = turns_[turn], .first = index, .last = index, .count = 1};
  turns_[turn] = -1 - std::int64_t{fresh};
  serve_waiting(transfer.stage, transfer.part);
}

// Takes the first one out.
std::uint32_t ArbitratedLinks::dequeue(std::size_t turn) {
  auto& queue = *queue_at(turn);
  const auto index = queue.first;
  queue.first = transfers_[index].next;
  if (--queue.count > 0) return index;
  unused_queues_.push_back(static_cast<std::uint32_t>(-1 - turns_[turn]));
  turns_[turn] = queue.until;
  return index;
}

// The stage has taken what went in last.
void ArbitratedLinks::serve_turn(std::uint32_t turn) {
  auto* queue = queue_at(turn);
  if (queue == nullptr) return;
  queue->due = false;
  const auto& transfer = transfers_[queue->first];
  serve_waiting(transfer.stage, transfer.part);
}

// Lets in whoever may pass of those that wait at a stage, and then of those at the stage before.
void ArbitratedLinks::serve_waiting(std::uint32_t stage, std::uint32_t part) {
  const auto turn = turn_of(stage, part);
  while (auto* queue = queue_at(turn)) {
    if (queue->until > agenda_.now()) {
      if (!std::exchange(queue->due, true)) agenda_.schedule(queue->until, EventKind::turn, static_cast<std::uint32_t>(turn));
      return;
    }
    if (is_held_back(transfers_[queue->first])) return;
    const auto index = dequeue(turn);
    ++agenda_.causes;
    const bool first = stage == transfers_[index].first;
    pass_on(index);
    if (first) continue;
    if (!in_order_) {
      serve_waiting(stage - 1, part);
    } else if (queue_at(turn_of(stage - 1, part)) != nullptr) {
      agenda_.schedule(agenda_.now(), EventKind::turn, static_cast<std::uint32_t>(turn_of(stage - 1, part)));
    }
  }
}

void ArbitratedLinks::record_hop(const Transfer& transfer, std::uint32_t resource, std::int64_t start, std::int64_t end) {
  agenda_.outputs.recording->hops.push_back(
      {blocks_.record_of(transfer), blocks_.operand_of(transfer), resource, SimTime{transfer.head}, SimTime{start}, SimTime{end}});
}

void ArbitratedLinks::describe(Snapshot& snapshot, std::uint32_t index) const { describe(snapshot, transfers_[index]); }

void ArbitratedLinks::describe(Snapshot& snapshot, const Transfer& transfer) const {
  snapshot.since(transfer.tail);
  for (const auto count : {transfer.stage, transfer.end, transfer.block, transfer.slice - blocks_.completed(transfer.block), transfer.operand}) {
    snapshot.word(count);
  }
  snapshot.word(transfer.bytes * 4 + (transfer.reads ? 1 : 0) + (transfer.paces ? 2 : 0));
}

void ArbitratedLinks::describe_queues(Snapshot& snapshot) const {
  for (std::size_t turn = 0; turn < turns_.size(); ++turn) {
    if (turns_[turn] >= 0 && turns_[turn] <= snapshot.now) continue;
    if (snapshot.differs) return;
    const auto* queue = queue_at(turn);
    snapshot.word(turn);
    snapshot.since(queue != nullptr ? queue->until : turns_[turn]);
    if (queue == nullptr) continue;
    snapshot.word(queue->due ? 1 : 0);
    each_waiting(*queue, [&](std::uint32_t waiting) { describe(snapshot, waiting); });
    snapshot.end_section();
  }
}

void ArbitratedLinks::skip(const Snapshot& then, const Snapshot& now, std::int64_t rounds) {
  const auto time = (now.now - then.now) * rounds;
  const auto later = [&](std::uint32_t index) {
    auto& transfer = transfers_[index];
    transfer.slice += static_cast<std::uint32_t>((now.completed[transfer.block] - then.completed[transfer.block]) * rounds);
    transfer.tail += time;
    transfer.head += time;
  };
  agenda_.events.each([&](std::int64_t, const Event& event) {
    if (event.kind == EventKind::hop) later(event.index);
  });
  for (std::size_t turn = 0; turn < turns_.size(); ++turn) {
    busy_until(turn) += time;
    if (const auto* queue = queue_at(turn)) each_waiting(*queue, later);
  }
}

}  // namespace p2plab
