// SPDX-License-Identifier: Apache-2.0
// Thread blocks: when the next slice is issued.
#include "engine/thread_blocks.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

ThreadBlocks::ThreadBlocks(Agenda& agenda) : agenda_(agenda), program_(agenda.program) {
  blocks_.resize(program_.lanes.size() * program_.blocks_per_lane);
  std::uint32_t slots = 0;
  std::size_t slices = 0;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& block = blocks_[b];
    block.lane = static_cast<std::uint32_t>(b / program_.blocks_per_lane);
    block.part = static_cast<std::uint32_t>(b % program_.blocks_per_lane);
    block.program = lane_of(block).program;
    block.total = program_.totals[b];
    block.first = slices;
    block.slots = slots;
    block.mask = block.total > 1 ? 1 : 0;  // two slots to begin with
    slots += block.mask + 1;
    block.loads_free = block.stores_free = program_.starts[rank_of(block).index()];
    slices += block.total;
    if (block.total == 0) continue;
    block.work = lane_of(block).first;
    block.slice = block.part;
    skip_works_without_slices(block);
  }
  slots_.resize(slots);
  completions_.resize(slices);
  const auto& outputs = agenda_.outputs;
  if (outputs.begins != nullptr) outputs.begins->resize(slices);
  if (outputs.recording == nullptr) return;
  outputs.recording->blocks_per_lane = program_.blocks_per_lane;
  outputs.recording->slices.resize(slices);
}

void ThreadBlocks::begin() {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (blocks_[b].total > 0) schedule_issue(blocks_[b], static_cast<std::uint32_t>(b), blocks_[b].loads_free);
  }
}

bool ThreadBlocks::all_complete() const {
  return std::ranges::all_of(blocks_, [](const Block& block) { return block.completed == block.total; });
}

bool ThreadBlocks::none_is_free_by(std::int64_t time) const {
  std::vector<bool> works(program_.starts.size());
  std::vector<bool> busy(works.size());
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const auto& block = blocks_[b];
    if (block.total == 0) continue;
    works[rank_of(block).index()] = true;
    if (block.sent < block.total || block.storing > 0 || block.loading > 0 || free_at(b) > time) busy[rank_of(block).index()] = true;
  }
  return busy == works;
}

Error ThreadBlocks::stuck() const {
  Error error{ErrorCode::invalid_input, "the program never ends: lanes wait for each other in a circle"};
  for (const auto& block : blocks_) {
    if (error.notes.size() == 3) break;
    if (block.completed == block.total) continue;
    error.notes.push_back(fmt::format("rank {} lane {} stands before its instruction {}, slice {}", rank_of(block).value, block.lane,
                                      block.work - lane_of(block).first, block.slice));
  }
  return error;
}

// Of the program that is recorded.
std::uint32_t ThreadBlocks::instruction_of(const Block& block, std::uint32_t work) const {
  return agenda_.outputs.program->lanes[block.lane].first + work - lane_of(block).first;
}

SliceRecord* ThreadBlocks::record(const Block& block, std::uint32_t slice) {
  return agenda_.outputs.recording == nullptr ? nullptr : &agenda_.outputs.recording->slices[block.first + slice];
}

std::uint32_t ThreadBlocks::operand_of(const Transfer& transfer) const {
  const auto& block = blocks_[transfer.block];
  const auto& program = *agenda_.outputs.program;
  auto operand = program.instructions[instruction_of(block, slot(block, transfer.slice).work)].operands;
  for (auto before = transfer.operand;; ++operand) {
    const auto& o = program.operands[operand];
    const bool remote = o.rank != rank_of(block) || o.buffer == Buffer::host;
    if (remote && before-- == 0) return operand;
  }
}

void ThreadBlocks::issue_ready(std::uint32_t index) {
  auto& block = blocks_[index];
  if (block.issue_due == agenda_.now()) block.issue_due = never;
  while (block.issued < block.total) {
    const auto time = earliest_issue(block, index);
    if (time == never) return;
    if (time > agenda_.now()) return schedule_issue(block, index, time);
    issue(block, index);
  }
}

void ThreadBlocks::schedule_issue(Block& block, std::uint32_t index, std::int64_t time) {
  if (block.issue_due == time) return;
  block.issue_due = time;
  agenda_.schedule(time, EventKind::issue, index);
}

// Asks for an issue event as soon as it is known when. Issues nothing, so it may be called from anywhere.
void ThreadBlocks::reconsider(Block& block, std::uint32_t index) {
  if (block.issued == block.total) return;
  const auto time = earliest_issue(block, index);
  if (time != never) schedule_issue(block, index, std::max(time, agenda_.now()));
}

// When the next slice may be issued; `never` if that hangs on something not yet known, whose becoming known will ask again.
std::int64_t ThreadBlocks::earliest_issue(Block& block, std::uint32_t index) {
  if (block.listed) return never;
  const auto& work = program_.works[block.work];
  if (block.loading > 0) return never;
  auto time = block.loads_free;
  // Loads of later slices go out while earlier ones are on their way; a slice without loads waits for the thread block itself.
  if (work.sources == 0) {
    if (block.issued > block.sent || block.storing > 0) return never;
    time = std::max(time, block.stores_free);
  }
  if (const auto outstanding = costs_of(block).outstanding; outstanding != 0 && block.issued >= outstanding) {
    const auto oldest = block.issued - outstanding;
    if (block.completed <= oldest) {
      block.stalled = true;
      return never;
    }
    time = std::max(time, completions_[block.first + oldest]);
  }
  if (!waits_known(block, index, work) || !own_dependency_known(block, work)) return never;
  return std::max(time, block.signalled);
}

bool ThreadBlocks::waits_known(Block& block, std::uint32_t index, const Work& work) {
  const auto end = work.waits + work.wait_count;
  if (block.wait == end) return true;
  const auto& lane = lane_of(block);
  for (; block.wait < end; ++block.wait) {
    const auto& wait = program_.waits[block.wait];
    const auto slice = wait.slice(block.slice);
    if (slice >= wait.slices) continue;
    auto& other = blocks_[awaited(block, wait)];
    const auto needed = program_.place(program_.lanes[other.lane], wait.work, other.part, slice);
    if (other.completed < needed) {
      block.listed = true;
      block.needed = needed;
      block.next_waiter = other.first_waiter;
      other.first_waiter = index;
      other.least_needed = std::min(other.least_needed, needed);
      return false;
    }
    const auto cause = other.first + needed - 1;
    auto time = completions_[cause] + program_.signal(lane, wait);
    if (wait.last) time -= program_.works[lane_of(other).first + wait.work].after;  // of late warps, the own wait knows
    if (time < block.signalled) continue;
    block.signalled = time;
    block.cause = static_cast<std::int64_t>(cause);
  }
  return true;
}

bool ThreadBlocks::own_dependency_known(Block& block, const Work& work) {
  if (work.own_dependency < 0) return true;
  const auto index = static_cast<std::uint32_t>(work.own_dependency);
  if (block.slice >= program_.works[lane_of(block).first + index].slices) return true;
  const auto needed = program_.place(lane_of(block), index, block.part, block.slice);
  if (block.completed < needed) {
    block.stalled = true;
    return false;
  }
  const auto cause = block.first + needed - 1;
  if (completions_[cause] < block.signalled) return true;
  block.signalled = completions_[cause];
  block.cause = static_cast<std::int64_t>(cause);
  return true;
}

void ThreadBlocks::grow(Block& block) {
  const auto old = block;
  block.slots = static_cast<std::uint32_t>(slots_.size());
  block.mask = old.mask * 2 + 1;
  slots_.resize(slots_.size() + block.mask + 1);
  for (auto slice = block.completed; slice != block.issued; ++slice) slot(block, slice) = slot(old, slice);
}

void ThreadBlocks::issue(Block& block, std::uint32_t index) {
  if (block.issued - block.completed > block.mask) grow(block);
  const auto& work = program_.works[block.work];
  const auto now = agenda_.now();
  auto& s = slot(block, block.issued);
  s = {.bytes = Compiled::slice_bytes(work, block.slice), .arrived = now, .work = block.work};
  if (agenda_.outputs.begins != nullptr) (*agenda_.outputs.begins)[block.first + block.issued] = now;
  if (auto* r = record(block, block.issued)) {
    const auto considered = SimTime{std::max(block.loads_free, work.sources == 0 ? block.stores_free : 0)};
    *r = {.block = index,
          .instruction = instruction_of(block, block.work),
          .slice = block.slice,
          .considered = considered,
          .issued = SimTime{now},
          .cause = block.signalled == now ? block.cause : -1};
  }
  if (work.sources > 0) issue_loads(block, index, s);
  next_slice(block);
  ++block.issued;
  if (s.reads == 0) send_ready(index);
}

void ThreadBlocks::issue_loads(Block& block, std::uint32_t index, Slot& s) {
  const auto now = agenda_.now();
  ++agenda_.causes;
  const auto& work = program_.works[s.work];
  auto& costs = costs_of(block);
  const auto wire = program_.wire(costs, s.bytes);
  const auto own = now + costs.load.of(wire * work.sources);
  auto paced = own;
  s.reads = work.sources + 1U;  // one more, so that it is not done with before all are launched
  for (std::uint32_t o = 0; o < work.sources; ++o) {
    const auto& path = program_.path(lane_of(block), work.paths + o);
    const auto request = costs.request(path);
    auto transfer = transfer_on(path, wire, index);
    transfer.slice = block.issued;
    transfer.operand = o;
    transfer.head = now + request;
    transfer.tail = own;
    transfer.reads = true;
    ++agenda_.transfers;
    if (request > 0) {
      links_->launch_at(now + request, transfer);
    } else {
      paced = std::max(paced, links_->launch(transfer));
    }
  }
  --s.reads;
  block.loads_free = paced;
}

// The next slice of this part, over as many works as have none.
void ThreadBlocks::next_slice(Block& block) const {
  block.slice += program_.blocks_per_lane;
  skip_works_without_slices(block);
}

void ThreadBlocks::skip_works_without_slices(Block& block) const {
  const auto last = lane_of(block).first + lane_of(block).count - 1;
  while (block.slice >= program_.works[block.work].slices && block.work != last) {
    block.slice = block.part;
    ++block.work;
  }
  block.wait = program_.works[block.work].waits;
  block.signalled = 0;
  block.cause = -1;
}

// Of `wire` bytes, before its path's first stage.
Transfer ThreadBlocks::transfer_on(const Path& path, std::int64_t wire, std::uint32_t block) const {
  return {.bytes = program_.link_bytes(path, wire),
          .first = path.first,
          .stage = path.first,
          .end = path.end,
          .block = block,
          .part = blocks_[block].part,
          .alone = blocks_[block].total == 1};
}

}  // namespace p2plab
