// SPDX-License-Identifier: Apache-2.0
// Steady state: where everything that decides what follows is as it was some slices ago, all of it later by the same time, what happened in between
// happens again, until a thread block comes to its last slices. Those rounds are added up instead of played. This is exact: times are integers, and
// what follows from a state does not depend on when it is reached.
#include <algorithm>

#include "engine/engine.h"

namespace p2plab {

namespace {

constexpr std::int64_t worth = 16;        // slices that a thread block must have before it for a look to pay
constexpr std::uint32_t most_beats = 64;  // slices in which a state must come again
constexpr std::int64_t pause = 64;        // events of each thread block between two looks
constexpr std::uint32_t near = 64;        // waiters for slices further ahead than this are not part of the state
constexpr std::uint64_t section = ~std::uint64_t{0};

}  // namespace

// Looks at the state whenever the thread block with the most slices before it has ended another one, and compares it with an earlier one.
void Engine::look_for_period() {
  if (watch_.leader == none) return choose_leader();
  const auto& k = blocks_[watch_.leader];
  if (k.settled < watch_.due) return;
  if (k.work != watch_.work) return rest();
  watch_.due = k.settled + 1;
  // Most states differ in what is seen at a glance.
  if (glance() == watch_.then.glance) {
    if (const auto now = moment(); now.state == watch_.then.state) {
      skip_rounds(now);
      return rest();
    }
  }
  if (++watch_.beats < watch_.window) return;
  if (watch_.window >= most_beats) {
    watch_.pause *= 2;
    return rest();
  }
  watch_.then = moment();
  watch_.beats = 0;
  watch_.window *= 2;
}

void Engine::rest() {
  watch_.leader = none;
  watch_.next = queue_.count() + watch_.pause * static_cast<std::int64_t>(blocks_.size());
}

void Engine::choose_leader() {
  if (watch_.pause == 0) {  // the first look
    watch_.pause = pause;
    for (const auto& work : c_.works) watch_.memory = std::max(watch_.memory, work.cost + work.after);
    watch_.memory += std::max(c_.signal_peer, c_.signal_local) + 1;
    return rest();
  }
  std::int64_t most = 0;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const auto& k = blocks_[b];
    if (k.total == k.settled || k.issued == k.total || k.listed) continue;
    const auto left = (std::int64_t{c_.works[k.work].slices} - k.slice) / c_.parts;
    if (left <= most) continue;
    most = left;
    watch_.leader = static_cast<std::uint32_t>(b);
  }
  if (most < worth) return rest();
  const auto& k = blocks_[watch_.leader];
  if (k.settled == 0) return rest();
  watch_.work = k.work;
  watch_.due = k.settled + 1;
  watch_.beats = 0;
  watch_.window = 2;
  watch_.then = moment();
}

// The leader's part of the state, and how much is under way. Not how many times the queue holds: it may hold one time in several pieces, which says
// nothing about the state.
std::uint64_t Engine::glance() const {
  const auto& k = blocks_[watch_.leader];
  const auto now = queue_.now();
  std::uint64_t hash = transfers_.size() - unused_.size();
  for (const auto value : {k.issued - k.settled, k.injected - k.settled, k.wait}) hash = hash * 0x9E3779B97F4A7C15U + value;
  for (const auto time : {k.front_free, k.back_free, k.seen, log_[k.log + k.settled - 1]}) {
    hash = hash * 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(std::max(time - now, -watch_.memory));
  }
  return hash;
}

// Times longer ago than `memory` can hold nothing up any more, whatever is added to them.
Engine::Moment Engine::moment() {
  Moment m{.now = queue_.now(), .memory = watch_.memory, .events = queue_.count(), .transfers = transfers_made_, .glance = glance()};
  m.state.reserve(watch_.then.state.size());
  for (const auto& k : blocks_) add_block(m, k);
  queue_.each([&](std::int64_t time, const Event& event) {
    m.word(time - m.now);
    m.word(event.kind);
    event.kind == EventKind::hop ? add_transfer(m, transfers_[event.index]) : m.word(event.index);
  });
  add_turns(m);
  for (const auto& resource : c_.resources) {
    m.word(std::max<std::int64_t>(resource.free - m.now, 0));
    m.busy.push_back(resource.busy);
    m.bytes.push_back(resource.bytes);
  }
  return m;
}

void Engine::add_block(Moment& m, const Block& k) {
  m.settled.push_back(k.settled);
  for (auto order = k.settled; order > 0 && log_[k.log + order - 1] > m.now - m.memory; --order) m.since(log_[k.log + order - 1]);
  m.word(section);
  if (k.settled == k.total) return;
  for (const auto time : {k.front_free, k.back_free, k.seen}) m.since(time);
  for (const auto due : {k.front_due, k.back_due}) m.word(due == never ? never : due - m.now);
  for (const auto count : {k.work, k.wait, k.issued - k.settled, k.injected - k.settled, k.storing, k.loading, k.first_waiter}) m.word(count);
  m.word(k.listed ? k.next_waiter : none);
  m.word((k.listed ? 1 : 0) + (k.stalled ? 2 : 0));
  m.word(k.first_waiter == none ? none : std::min(k.least_needed - k.settled, near));
  if (k.listed) m.word(std::min(k.needed - awaited(k).settled, near));
  for (auto order = k.settled; order != k.issued; ++order) {
    const auto& s = slot(k, order);
    m.since(s.arrived);
    m.since(s.tail);
    m.word(s.bytes);
    for (const auto count : {s.work, s.reads, s.writes}) m.word(count);
  }
}

void Engine::add_transfer(Moment& m, const Transfer& t) const {
  m.since(t.tail);
  for (const auto count : {t.stage, t.end, t.block, t.order - blocks_[t.block].settled, t.ordinal}) m.word(count);
  m.word(t.bytes * 4 + (t.reads ? 1 : 0) + (t.paces ? 2 : 0));
}

void Engine::add_turns(Moment& m) {
  for (std::size_t turn = 0; turn < arbitration_.size(); ++turn) {
    if (arbitration_[turn] >= 0 && arbitration_[turn] <= m.now) continue;
    m.word(turn);
    m.since(until_at(turn));
    const auto* queue = queue_at(turn);
    if (queue == nullptr) continue;
    m.word(queue->due ? 1 : 0);
    each_waiting(*queue, [&](const Transfer& t) { add_transfer(m, t); });
    m.word(section);
  }
}

// Whose slices a listed block waits for.
const Engine::Block& Engine::awaited(const Block& k) const {
  return blocks_[std::size_t{c_.awaited_lane(lane_of(k), c_.waits[k.wait])} * c_.parts + k.part];
}

// For how many more rounds the block goes on as in the last one: with whole slices of the same work, and the same waits.
std::int64_t Engine::rounds_left(std::size_t block) const {
  constexpr auto any = std::int64_t{1} << 40;
  const auto& k = blocks_[block];
  const auto done = [&](std::size_t b) { return std::int64_t{blocks_[b].settled - watch_.then.settled[b]}; };
  const auto mine = done(block);
  if (mine == 0) {
    if (!k.listed) return any;
    const auto other = std::size_t{c_.awaited_lane(lane_of(k), c_.waits[k.wait])} * c_.parts + k.part;
    return done(other) == 0 ? any : (std::int64_t{k.needed} - blocks_[other].settled - near) / done(other);
  }
  const auto& work = c_.works[k.work];
  const auto until = [&](std::int64_t slice) { return (slice - 2 - k.slice) / c_.parts / mine; };
  auto rounds = until(work.slices);
  for (auto w = work.waits; w < work.waits + work.wait_count; ++w) {
    const auto& wait = c_.waits[w];
    if (k.slice >= wait.slices) continue;
    rounds = std::min(rounds, until(wait.slices));
    const auto lane = c_.awaited_lane(lane_of(k), wait);
    const auto other = std::size_t{lane} * c_.parts + k.part;
    if (done(other) == mine) continue;
    // Else all that it will wait for must be long over.
    const auto last = std::min(work.slices, wait.slices) - 1;
    const auto needed = c_.place(c_.lanes[lane], wait.work, k.part, last - (last + c_.parts - k.part) % c_.parts);
    if (blocks_[other].settled < needed || log_[blocks_[other].log + needed - 1] + watch_.memory > queue_.now()) return 0;
  }
  if (work.own_dependency >= 0) {
    const auto slices = c_.works[lane_of(k).first + static_cast<std::uint32_t>(work.own_dependency)].slices;
    if (k.slice < slices) rounds = std::min(rounds, until(slices));
  }
  return rounds;
}

void Engine::skip_rounds(const Moment& now) {
  const auto& then = watch_.then;
  const auto period = now.now - then.now;
  auto rounds = (latest - now.now) / period / 2;
  for (std::size_t b = 0; b < blocks_.size() && rounds > 0; ++b) rounds = std::min(rounds, rounds_left(b));
  if (rounds <= 0) return;
  const auto time = period * rounds;
  const auto slices = [&](std::size_t block) { return static_cast<std::uint32_t>((now.settled[block] - then.settled[block]) * rounds); };
  for (std::size_t b = 0; b < blocks_.size(); ++b) go_on(blocks_[b], now.settled[b] - then.settled[b], rounds, period);
  for (auto& k : blocks_) {
    k.least_needed = none;
    for (auto waiter = k.first_waiter; waiter != none; waiter = blocks_[waiter].next_waiter) {
      k.least_needed = std::min(k.least_needed, blocks_[waiter].needed);
    }
  }
  const auto later = [&](Transfer& t) {
    t.order += slices(t.block);
    t.tail += time;
    t.head += time;
  };
  queue_.each([&](std::int64_t, const Event& event) {
    if (event.kind == EventKind::hop) later(transfers_[event.index]);
  });
  for (std::size_t turn = 0; turn < arbitration_.size(); ++turn) {
    until_at(turn) += time;
    if (const auto* queue = queue_at(turn)) each_waiting(*queue, later);
  }
  for (std::size_t r = 0; r < c_.resources.size(); ++r) {
    auto& resource = c_.resources[r];
    resource.free += time;
    resource.busy += (now.busy[r] - then.busy[r]) * rounds;
    resource.bytes += (now.bytes[r] - then.bytes[r]) * rounds;
  }
  transfers_made_ += (now.transfers - then.transfers) * rounds;
  queue_.shift(time, (now.events - then.events) * rounds);
}

// A block that ends `slices` slices a round, so many rounds later.
void Engine::go_on(Block& k, std::uint32_t slices, std::int64_t rounds, std::int64_t period) {
  if (k.settled == k.total) return;
  const auto time = period * rounds;
  const auto all = static_cast<std::uint32_t>(slices * rounds);
  std::vector<Slot> under_way;
  for (auto order = k.settled; order != k.issued; ++order) under_way.push_back(slot(k, order));
  for (auto order = k.settled; order != k.settled + all; ++order) log_[k.log + order] = log_[k.log + order - slices] + period;
  k.slice += all * c_.parts;
  k.settled += all;
  k.injected += all;
  k.issued += all;
  for (std::uint32_t s = 0; s < under_way.size(); ++s) {
    under_way[s].arrived += time;
    under_way[s].tail += time;
    slot(k, k.settled + s) = under_way[s];
  }
  if (k.listed) k.needed += all;
  for (auto* at : {&k.front_free, &k.back_free, &k.seen}) *at += time;
  if (k.front_due != never) k.front_due += time;
  if (k.back_due != never) k.back_due += time;
}

}  // namespace p2plab
