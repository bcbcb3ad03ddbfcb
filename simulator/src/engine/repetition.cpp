// SPDX-License-Identifier: Apache-2.0
// Thread blocks in a steady state: what they look like, how long they go on alike, and how they stand so many rounds later.
#include <algorithm>

#include "engine/snapshot.h"
#include "engine/thread_blocks.h"

namespace p2plab {

namespace {

constexpr std::uint32_t near = 64;  // waiters for slices further ahead than this are not part of the state
constexpr std::uint64_t spread = 0x9E3779B97F4A7C15U;

}  // namespace

std::uint32_t ThreadBlocks::busiest(std::int64_t least, bool in_loops) const {
  std::int64_t most = 0;
  auto found = no_index;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const auto& block = blocks_[b];
    if (block.total == block.completed || block.issued == block.total || block.listed) continue;
    const auto left = in_loops ? std::int64_t{block.total} - block.completed
                               : (std::int64_t{program_.works[block.work].slices} - block.slice) / program_.blocks_per_lane;
    if (left <= most) continue;
    most = left;
    found = static_cast<std::uint32_t>(b);
  }
  return most < least || blocks_[found].completed == 0 ? no_index : found;
}

std::uint64_t ThreadBlocks::glance(std::uint32_t index, std::int64_t memory) const {
  const auto& block = blocks_[index];
  const auto now = agenda_.now();
  std::uint64_t hash = links_->under_way();
  const auto wait = block.wait - program_.works[block.work].waits;
  for (const auto value : {block.issued - block.completed, block.sent - block.completed, wait}) hash = hash * spread + value;
  for (const auto time : {block.loads_free, block.stores_free, block.signalled, completions_[block.first + block.completed - 1]}) {
    hash = hash * spread + static_cast<std::uint64_t>(std::max(time - now, -memory));
  }
  return hash;
}

void ThreadBlocks::describe(Snapshot& snapshot, const Loops& loops) const {
  for (const auto& block : blocks_) {
    if (snapshot.differs) return;
    describe(snapshot, block, loops);
  }
}

void ThreadBlocks::describe(Snapshot& m, const Block& block, const Loops& loops) const {
  m.completed.push_back(block.completed);
  m.works.push_back(block.work);
  m.slices.push_back(block.slice);
  for (auto slice = block.completed; slice > 0 && completions_[block.first + slice - 1] > m.now - m.memory; --slice) {
    m.since(completions_[block.first + slice - 1]);
  }
  m.end_section();
  if (block.completed == block.total) return;
  for (const auto time : {block.loads_free, block.stores_free, block.signalled}) m.since(time);
  for (const auto due : {block.issue_due, block.send_due}) m.word(due == never ? never : due - m.now);
  for (const auto count : {loops.kind(block.work), block.wait - program_.works[block.work].waits, block.issued - block.completed,
                           block.sent - block.completed, block.storing, block.loading, block.first_waiter}) {
    m.word(count);
  }
  m.word(block.listed ? block.next_waiter : no_index);
  m.word((block.listed ? 1 : 0) + (block.stalled ? 2 : 0));
  m.word(block.first_waiter == no_index ? no_index : std::min(block.least_needed - block.completed, near));
  if (block.listed) m.word(std::min(block.needed - blocks_[awaited(block, program_.waits[block.wait])].completed, near));
  for (auto slice = block.completed; slice != block.issued; ++slice) {
    const auto& s = slot(block, slice);
    m.since(s.arrived);
    m.since(s.tail);
    m.word(s.bytes);
    for (const auto count : {block.work - s.work, s.reads, s.writes}) m.word(count);
  }
}

std::int64_t ThreadBlocks::rounds_left(const Snapshot& then, const Snapshot& now, const Loops& loops, std::int64_t most) const {
  if (then.works != now.works) return loops.any() ? rounds_of_loops(then, now, loops, most) : 0;
  for (std::size_t b = 0; b < blocks_.size() && most > 0; ++b) most = std::min(most, rounds_left(then, b));
  return most;
}

std::int64_t ThreadBlocks::rounds_left(const Snapshot& then, std::size_t index) const {
  constexpr auto any = std::int64_t{1} << 40;
  const auto& block = blocks_[index];
  const auto done = [&](std::size_t b) { return std::int64_t{blocks_[b].completed - then.completed[b]}; };
  const auto mine = done(index);
  if (mine == 0) {
    if (!block.listed) return any;
    const auto other = awaited(block, program_.waits[block.wait]);
    return done(other) == 0 ? any : (std::int64_t{block.needed} - blocks_[other].completed - near) / done(other);
  }
  const auto& work = program_.works[block.work];
  const auto until = [&](std::int64_t slice) { return (slice - 2 - block.slice) / program_.blocks_per_lane / mine; };
  auto rounds = until(work.slices);
  for (auto w = work.waits; w < work.waits + work.wait_count; ++w) {
    const auto& wait = program_.waits[w];
    if (!wait.last && block.slice >= wait.slices) continue;
    if (!wait.last) rounds = std::min(rounds, until(wait.slices));
    const auto other = awaited(block, wait);
    if (!wait.last && done(other) == mine) continue;
    // Else all that it will wait for must be long over.
    const auto& lane = program_.lanes[program_.awaited_lane(lane_of(block), wait)];
    const auto part = blocks_[other].part;
    const auto last = (wait.last ? wait.slices : std::min(work.slices, wait.slices)) - 1;
    const auto needed = program_.place(lane, wait.work, part, last - (last + program_.blocks_per_lane - part) % program_.blocks_per_lane);
    if (blocks_[other].completed < needed || completions_[blocks_[other].first + needed - 1] + then.memory > agenda_.now()) return 0;
  }
  if (work.own_dependency >= 0) {
    const auto slices = program_.works[lane_of(block).first + static_cast<std::uint32_t>(work.own_dependency)].slices;
    if (block.slice < slices) rounds = std::min(rounds, until(slices));
  }
  return rounds;
}

// All blocks that have work left go on by whole works, those of a lane by as many. A round looks at the works from the oldest that is under way, or
// is waited for, to the one that is next: as long as these are alike, each round is like the one before.
std::int64_t ThreadBlocks::rounds_of_loops(const Snapshot& then, const Snapshot& now, const Loops& loops, std::int64_t most) const {
  std::vector<std::uint32_t> shifts(program_.lanes.size());
  std::vector<std::uint32_t> first(program_.lanes.size(), no_index);
  std::vector<std::uint32_t> last(program_.lanes.size());
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const auto& block = blocks_[b];
    if (block.completed == block.total && now.completed[b] == then.completed[b]) continue;
    const bool goes_on = now.works[b] > then.works[b] && now.slices[b] == then.slices[b] && block.completed < block.total;
    auto& shift = shifts[block.lane];
    if (!goes_on || (shift != 0 && shift != now.works[b] - then.works[b])) return 0;
    shift = now.works[b] - then.works[b];
    first[block.lane] = std::min(first[block.lane], oldest_work(block) - shift);
    last[block.lane] = std::max(last[block.lane], block.work);
  }
  for (std::uint32_t l = 0; l < shifts.size(); ++l) {
    if (shifts[l] == 0) continue;
    for (auto w = first[l]; w <= last[l]; ++w) {
      const auto& work = program_.works[w];
      for (auto i = work.waits; i < work.waits + work.wait_count; ++i) {
        const auto other = program_.awaited_lane(program_.lanes[l], program_.waits[i]);
        first[other] = std::min(first[other], program_.lanes[other].first + program_.waits[i].work);
      }
    }
  }
  for (std::uint32_t l = 0; l < shifts.size() && most > 0; ++l) {
    if (shifts[l] == 0) continue;
    const auto until = loops.alike_until(l, first[l], shifts);
    most = until <= last[l] ? 0 : std::min<std::int64_t>(most, (until - last[l] - 1) / shifts[l]);
  }
  return most;
}

std::uint32_t ThreadBlocks::oldest_work(const Block& block) const {
  return block.completed == block.issued ? block.work : slot(block, block.completed).work;
}

// The same slices of works so much later.
void ThreadBlocks::skip_works(Block& block, std::uint32_t works) {
  const auto wait = block.wait - program_.works[block.work].waits;
  block.work += works;
  block.wait = program_.works[block.work].waits + wait;
  for (auto slice = block.completed; slice != block.issued; ++slice) slot(block, slice).work += works;
}

void ThreadBlocks::skip(const Snapshot& then, const Snapshot& now, std::int64_t rounds) {
  const auto period = now.now - then.now;
  const auto all = [&](std::size_t b) { return static_cast<std::uint32_t>((now.completed[b] - then.completed[b]) * rounds); };
  const bool in_loops = then.works != now.works;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& block = blocks_[b];
    if (block.listed) block.needed += all(in_loops ? awaited(block, program_.waits[block.wait]) : b);
  }
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& block = blocks_[b];
    if (block.completed == block.total) continue;
    const auto works = static_cast<std::uint32_t>((now.works[b] - then.works[b]) * rounds);
    skip(block, now.completed[b] - then.completed[b], rounds, period);
    if (works > 0) {
      skip_works(block, works);
    } else {
      block.slice += all(b) * program_.blocks_per_lane;
    }
  }
  for (auto& block : blocks_) {
    block.least_needed = no_index;
    for (auto waiter = block.first_waiter; waiter != no_index; waiter = blocks_[waiter].next_waiter) {
      block.least_needed = std::min(block.least_needed, blocks_[waiter].needed);
    }
  }
}

// A block that completes `slices` slices a round, so many rounds later.
void ThreadBlocks::skip(Block& block, std::uint32_t slices, std::int64_t rounds, std::int64_t period) {
  const auto time = period * rounds;
  const auto all = static_cast<std::uint32_t>(slices * rounds);
  std::vector<Slot> under_way;
  for (auto slice = block.completed; slice != block.issued; ++slice) under_way.push_back(slot(block, slice));
  for (auto slice = block.completed; slice != block.completed + all; ++slice) {
    completions_[block.first + slice] = completions_[block.first + slice - slices] + period;
  }
  block.completed += all;
  block.sent += all;
  block.issued += all;
  for (std::uint32_t s = 0; s < under_way.size(); ++s) {
    under_way[s].arrived += time;
    under_way[s].tail += time;
    slot(block, block.completed + s) = under_way[s];
  }
  for (auto* at : {&block.loads_free, &block.stores_free, &block.signalled}) *at += time;
  if (block.issue_due != never) block.issue_due += time;
  if (block.send_due != never) block.send_due += time;
}

}  // namespace p2plab
