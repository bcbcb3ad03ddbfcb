// SPDX-License-Identifier: Apache-2.0
// Thread blocks: when the next slice goes to work.
#include "engine/engine.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

namespace {

std::vector<double> capacities(const Compiled& compiled) {
  std::vector<double> rates;
  for (const auto& resource : compiled.resources) rates.push_back(static_cast<double>(resource.pace.rate));
  return rates;
}

}  // namespace

Engine::Engine(Compiled& compiled, const Keep& keep)
    : c_(compiled), keep_(keep), fair_(compiled.fair ? capacities(compiled) : std::vector<double>{}) {
  blocks_.resize(c_.lanes.size() * c_.parts);
  std::uint32_t slots = 0;
  std::size_t log = 0;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& k = blocks_[b];
    k.lane = static_cast<std::uint32_t>(b / c_.parts);
    k.part = static_cast<std::uint32_t>(b % c_.parts);
    k.total = c_.totals[b];
    k.log = log;
    k.slots = slots;
    k.mask = k.total > 1 ? 1 : 0;  // two slots to begin with
    slots += k.mask + 1;
    k.front_free = k.back_free = c_.starts[rank_of(k).index()];
    log += k.total;
    if (k.total == 0) continue;
    k.work = lane_of(k).first;
    k.slice = k.part;
    skip_empty(k);
  }
  slots_.resize(slots);
  log_.resize(log);
  if (!c_.fair) arbitration_.resize(c_.stages.size() * c_.parts);
  if (c_.folded) heads_.resize(c_.resources.size());
  if (keep_.begins != nullptr) keep_.begins->resize(log);
  if (keep_.recording == nullptr) return;
  keep_.recording->parts = c_.parts;
  keep_.recording->slices.resize(log);
}

Status Engine::run() {
  if (std::max(blocks_.size(), arbitration_.size()) >= std::size_t{1} << EventQueue::index_bits)
    return Error{ErrorCode::unsupported, "the program has too many thread blocks"};
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (blocks_[b].total > 0) call_front(blocks_[b], static_cast<std::uint32_t>(b), blocks_[b].front_free);
  }
  const bool skips = !c_.fair && !keep_.every_slice && keep_.begins == nullptr && keep_.recording == nullptr;
  for (auto events = queue_.take(); !events.empty() && !overflow_ && !ambiguous_; events = queue_.take()) {
    prefetch(events);
    for (const auto packed : events) handle(EventQueue::unpack(packed));
    if (queue_.count() >= watch_.next && skips && queue_.quiet()) look_for_period();
  }
  if (overflow_) return Error{ErrorCode::unsupported, "the simulated time exceeds 26 days; check bandwidths and sizes"};
  if (!ambiguous_ && std::ranges::any_of(blocks_, [](const Block& k) { return k.settled != k.total; })) return stuck();
  return {};
}

// With many ranks what events need lies far apart in memory; asked for together it comes at once.
void Engine::prefetch(std::span<const EventQueue::Packed> events) const {
  for (const auto packed : events) {
    const auto [kind, index] = EventQueue::unpack(packed);
    if (kind == EventKind::hop) __builtin_prefetch(&transfers_[index]);
    if (kind == EventKind::front || kind == EventKind::back) __builtin_prefetch(&blocks_[index]);
  }
}

void Engine::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::front: front(event.index); break;
    case EventKind::back:
      back(event.index);
      front(event.index);
      break;
    case EventKind::hop: hop(event.index); break;
    case EventKind::turn: turn(event.index); break;
    case EventKind::drain: drained(event.index); break;
    case EventKind::share: share(); break;
  }
}

Error Engine::stuck() const {
  Error error{ErrorCode::invalid_input, "the program never ends: lanes wait for each other in a circle"};
  for (std::size_t b = 0; b < blocks_.size() && error.notes.size() < 3; ++b) {
    const auto& k = blocks_[b];
    if (k.settled == k.total) continue;
    error.notes.push_back(
        fmt::format("rank {} lane {} stands before its instruction {}, slice {}", rank_of(k).value, k.lane, k.work - lane_of(k).first, k.slice));
  }
  return error;
}

void Engine::push(std::int64_t time, EventKind kind, std::uint32_t index) {
  if (time >= latest) {
    overflow_ = true;
    return;
  }
  queue_.push(time, kind, index);
}

void Engine::call_front(Block& k, std::uint32_t block, std::int64_t time) {
  if (k.front_due == time) return;
  k.front_due = time;
  push(time, EventKind::front, block);
}

// Of the program that is recorded.
std::uint32_t Engine::instruction_of(const Block& k, std::uint32_t work) const {
  return keep_.program->lanes[k.lane].first + work - lane_of(k).first;
}

SliceRecord* Engine::record(const Block& k, std::uint32_t order) {
  return keep_.recording == nullptr ? nullptr : &keep_.recording->slices[k.log + order];
}

// Issues slices as far as waits, window and rates allow.
void Engine::front(std::uint32_t block) {
  auto& k = blocks_[block];
  if (k.front_due == queue_.now()) k.front_due = never;
  while (k.issued < k.total) {
    const auto time = earliest(k, block);
    if (time == never) return;
    if (time > queue_.now()) return call_front(k, block, time);
    issue(k, block);
  }
}

// Asks for a front event as soon as it is known when. Issues nothing, so it may be called from anywhere.
void Engine::consider(Block& k, std::uint32_t block) {
  if (k.issued == k.total) return;
  const auto time = earliest(k, block);
  if (time != never) call_front(k, block, std::max(time, queue_.now()));
}

// When the next slice may be issued; `never` if that hangs on something not yet known, whose becoming known will ask again.
std::int64_t Engine::earliest(Block& k, std::uint32_t block) {
  if (k.listed) return never;
  const auto& work = c_.works[k.work];
  if (k.loading > 0) return never;
  auto time = k.front_free;
  // Loads of later slices go out while earlier ones are on their way; a slice without loads waits for the thread block itself.
  if (work.sources == 0) {
    if (k.issued > k.injected || k.storing > 0) return never;
    time = std::max(time, k.back_free);
  }
  if (c_.outstanding != 0 && k.issued >= c_.outstanding) {
    const auto oldest = k.issued - c_.outstanding;
    if (k.settled <= oldest) {
      k.stalled = true;
      return never;
    }
    time = std::max(time, log_[k.log + oldest]);
  }
  if (!waits_known(k, block, work) || !own_dependency_known(k, work)) return never;
  return std::max(time, k.seen);
}

bool Engine::waits_known(Block& k, std::uint32_t block, const Work& work) {
  const auto end = work.waits + work.wait_count;
  if (k.wait == end) return true;
  const auto& lane = lane_of(k);
  for (; k.wait < end; ++k.wait) {
    const auto& wait = c_.waits[k.wait];
    if (k.slice >= wait.slices) continue;
    const auto awaited = c_.awaited_lane(lane, wait);
    auto& other = blocks_[std::size_t{awaited} * c_.parts + k.part];
    const auto needed = c_.place(c_.lanes[awaited], wait.work, k.part, k.slice);
    if (other.settled < needed) {
      k.listed = true;
      k.needed = needed;
      k.next_waiter = other.first_waiter;
      other.first_waiter = block;
      other.least_needed = std::min(other.least_needed, needed);
      return false;
    }
    const auto cause = other.log + needed - 1;
    const auto time = log_[cause] + c_.signal(lane, wait);
    if (time < k.seen) continue;
    k.seen = time;
    k.cause = static_cast<std::int64_t>(cause);
  }
  return true;
}

bool Engine::own_dependency_known(Block& k, const Work& work) {
  if (work.own_dependency < 0) return true;
  const auto index = static_cast<std::uint32_t>(work.own_dependency);
  if (k.slice >= c_.works[lane_of(k).first + index].slices) return true;
  const auto needed = c_.place(lane_of(k), index, k.part, k.slice);
  if (k.settled < needed) {
    k.stalled = true;
    return false;
  }
  const auto cause = k.log + needed - 1;
  if (log_[cause] < k.seen) return true;
  k.seen = log_[cause];
  k.cause = static_cast<std::int64_t>(cause);
  return true;
}

void Engine::grow(Block& k) {
  const auto old = k;
  k.slots = static_cast<std::uint32_t>(slots_.size());
  k.mask = old.mask * 2 + 1;
  slots_.resize(slots_.size() + k.mask + 1);
  for (auto order = k.settled; order != k.issued; ++order) slot(k, order) = slot(old, order);
}

void Engine::issue(Block& k, std::uint32_t block) {
  if (k.issued - k.settled > k.mask) grow(k);
  const auto& work = c_.works[k.work];
  const auto now = queue_.now();
  auto& s = slot(k, k.issued);
  s = {.bytes = c_.slice_bytes(work, k.slice), .arrived = now, .work = k.work};
  if (keep_.begins != nullptr) (*keep_.begins)[k.log + k.issued] = now;
  if (auto* r = record(k, k.issued)) {
    const auto considered = SimTime{std::max(k.front_free, work.sources == 0 ? k.back_free : 0)};
    *r = {.block = block,
          .instruction = instruction_of(k, k.work),
          .slice = k.slice,
          .considered = considered,
          .issued = SimTime{now},
          .cause = k.seen == now ? k.cause : -1};
  }
  if (work.sources > 0) issue_loads(k, block, s);
  advance(k);
  ++k.issued;
  if (s.reads == 0) back(block);
}

void Engine::issue_loads(Block& k, std::uint32_t block, Slot& s) {
  const auto now = queue_.now();
  ++cause_;
  const auto& work = c_.works[s.work];
  const auto& lane = lane_of(k);
  const auto wire = c_.wire(s.bytes);
  const auto own = now + c_.load.of(wire * work.sources);
  auto paced = own;
  s.reads = work.sources + 1U;  // one more, so that it is not done with before all are launched
  for (std::uint32_t o = 0; o < work.sources; ++o) {
    const auto& path = c_.path(lane, work.paths + o);
    const auto request = c_.request(path);
    auto t = transfer_on(path, wire, block, {k.issued, o});
    t.head = now + request;
    t.tail = own;
    t.reads = true;
    ++transfers_made_;
    if (request > 0) {
      push(now + request, EventKind::hop, keep_transfer(t));
    } else {
      paced = std::max(paced, launch(t));
    }
  }
  --s.reads;
  k.front_free = paced;
}

// The next slice of this part, over as many works as have none.
void Engine::advance(Block& k) {
  k.slice += c_.parts;
  skip_empty(k);
}

void Engine::skip_empty(Block& k) {
  const auto last = lane_of(k).first + lane_of(k).count - 1;
  while (k.slice >= c_.works[k.work].slices && k.work != last) {
    k.slice = k.part;
    ++k.work;
  }
  k.wait = c_.works[k.work].waits;
  k.seen = 0;
  k.cause = -1;
}

}  // namespace p2plab
