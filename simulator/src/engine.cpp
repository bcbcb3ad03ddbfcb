#include "engine.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

Engine::Engine(Compiled& compiled, Recording* recording) : c_(compiled), program_(*compiled.program), recording_(recording) {
  constexpr std::uint32_t first_slots = 4;
  blocks_.resize(program_.lanes.size() * c_.parts);
  slots_.resize(blocks_.size() * first_slots);
  std::size_t log = 0;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& k = blocks_[b];
    const auto& lane = program_.lanes[b / c_.parts];
    k.rank = lane.rank;
    k.part = static_cast<std::uint32_t>(b % c_.parts);
    k.total = c_.totals[b];
    k.log = log;
    k.slots = static_cast<std::uint32_t>(b) * first_slots;
    k.mask = first_slots - 1;
    log += k.total;
    if (k.total == 0) continue;
    k.instruction = lane.first;
    k.slice = k.part;
    k.wait = program_.instructions[k.instruction].waits;
    while (k.slice >= c_.info[k.instruction].slices) advance(k);
  }
  log_.resize(log);
  begins_.resize(log);
  if (recording_ == nullptr) return;
  recording_->parts = c_.parts;
  recording_->slices.resize(log);
}

Status Engine::run() {
  if (blocks_.size() >= std::size_t{1} << EventQueue::index_bits) return Error{ErrorCode::unsupported, "the program has too many thread blocks"};
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    auto& k = blocks_[b];
    k.front_free = k.back_free = c_.starts[k.rank.index()];
    if (k.total > 0) call_front(k, static_cast<std::uint32_t>(b), k.front_free);
  }
  Event event{};
  while (!overflow_ && queue_.pop(event)) {
    switch (event.kind) {
      case EventKind::front: front(event.index); break;
      case EventKind::back:
        back(event.index);
        front(event.index);
        break;
      case EventKind::hop: pass(transfers_[event.index]); break;
      case EventKind::done: done(event.index); break;
    }
  }
  if (overflow_) return Error{ErrorCode::unsupported, "the simulated time exceeds 26 days; check bandwidths and sizes"};
  if (std::ranges::any_of(blocks_, [](const Block& k) { return k.complete != k.total; })) return stuck();
  return {};
}

Error Engine::stuck() const {
  Error error{ErrorCode::invalid_input, "the program never ends: lanes wait for each other in a circle"};
  for (std::size_t b = 0; b < blocks_.size() && error.notes.size() < 3; ++b) {
    const auto& k = blocks_[b];
    if (k.complete == k.total) continue;
    const auto& i = program_.instructions[std::min<std::size_t>(k.instruction, program_.instructions.size() - 1)];
    error.notes.push_back(fmt::format("rank {} lane {} stands before step {}, slice {}", k.rank.value, b / c_.parts, i.step.value, k.slice));
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

SliceRecord* Engine::record(const Block& k, std::uint32_t order) { return recording_ == nullptr ? nullptr : &recording_->slices[k.log + order]; }

// Issues slices as far as waits, window and rates allow.
void Engine::front(std::uint32_t block) {
  auto& k = blocks_[block];
  if (k.front_due == queue_.now()) k.front_due = -1;
  while (k.issued < k.total && may_issue(k, block) && waits_over(k, block)) issue(k, block);
}

bool Engine::may_issue(Block& k, std::uint32_t block) {
  if (k.listed) return false;
  if (c_.outstanding != 0 && k.issued - k.complete >= c_.outstanding) {
    k.stalled = true;
    return false;
  }
  auto free = k.front_free;
  // Loads of later slices go out while earlier ones are on their way; a slice without loads waits for the thread block itself.
  if (c_.info[k.instruction].remote_sources == 0) {
    if (k.issued > k.injected) return false;
    free = std::max(free, k.back_free);
  }
  if (free <= queue_.now()) return true;
  call_front(k, block, free);
  return false;
}

bool Engine::waits_over(Block& k, std::uint32_t block) {
  const auto& i = program_.instructions[k.instruction];
  for (const auto end = i.waits + i.wait_count; k.wait < end; ++k.wait) {
    const auto& wait = program_.waits[k.wait];
    const auto awaited = program_.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction);
    if (k.slice >= c_.info[awaited].slices) continue;
    auto& other = blocks_[wait.lane.index() * c_.parts + k.part];
    const auto needed = c_.before[std::size_t{awaited} * c_.parts + k.part] + static_cast<std::uint32_t>(k.slice / c_.parts) + 1;
    if (other.complete < needed) {
      k.listed = true;
      k.needed = needed;
      k.next_waiter = other.first_waiter;
      other.first_waiter = block;
      other.least_needed = std::min(other.least_needed, needed);
      return false;
    }
    const auto cause = other.log + needed - 1;
    const auto seen = log_[cause] + c_.signal(k.rank, other.rank);
    if (seen >= queue_.now()) k.cause = static_cast<std::int64_t>(cause);
    if (seen > queue_.now()) {
      call_front(k, block, seen);
      return false;
    }
  }
  return own_dependency_over(k);
}

bool Engine::own_dependency_over(Block& k) {
  const auto before = c_.info[k.instruction].own_dependency;
  if (before < 0) return true;
  const auto index = static_cast<std::size_t>(before);
  if (k.slice >= c_.info[index].slices) return true;
  const auto needed = c_.before[index * c_.parts + k.part] + static_cast<std::uint32_t>(k.slice / c_.parts) + 1;
  if (k.complete >= needed) {
    if (log_[k.log + needed - 1] == queue_.now()) k.cause = static_cast<std::int64_t>(k.log + needed - 1);
    return true;
  }
  k.stalled = true;
  return false;
}

void Engine::grow(Block& k) {
  const auto old = k;
  k.slots = static_cast<std::uint32_t>(slots_.size());
  k.mask = old.mask * 2 + 1;
  slots_.resize(slots_.size() + k.mask + 1);
  for (auto order = k.complete; order != k.issued; ++order) slot(k, order) = slot(old, order);
}

void Engine::issue(Block& k, std::uint32_t block) {
  if (k.issued - k.complete > k.mask) grow(k);
  auto& s = slot(k, k.issued);
  s = {.instruction = k.instruction, .bytes = c_.slice_bytes(program_.instructions[k.instruction], k.slice)};
  const auto now = queue_.now();
  begins_[k.log + k.issued] = now;
  if (auto* r = record(k, k.issued)) {
    const auto considered = SimTime{std::max(k.front_free, c_.info[k.instruction].remote_sources == 0 ? k.back_free : 0)};
    *r = {.block = block, .instruction = k.instruction, .slice = k.slice, .considered = considered, .issued = SimTime{now}, .arrived = SimTime{now}, .cause = k.cause};
  }
  k.cause = -1;
  if (c_.info[k.instruction].remote_sources > 0) issue_loads(k, block, s);
  advance(k);
  ++k.issued;
  if (s.reads == 0) back(block);
}

void Engine::issue_loads(Block& k, std::uint32_t block, Slot& s) {
  const auto now = queue_.now();
  const auto& info = c_.info[s.instruction];
  const auto& i = program_.instructions[s.instruction];
  const auto wire = c_.wire(s.bytes);
  const auto own = now + c_.load.of(wire * info.remote_sources);
  auto paced = own;
  s.reads = info.remote_sources;
  for (auto o = i.operands; o < i.operands + i.sources; ++o) {
    if (c_.path_of[o] < 0) continue;
    const auto& path = c_.paths[static_cast<std::size_t>(c_.path_of[o])];
    const auto t = make_transfer({own, wire, path.first, path.end, block, k.issued, o, true});
    const auto request = c_.request(path);
    if (request > 0) {
      push(now + request, EventKind::hop, t);
    } else {
      paced = std::max(paced, launch(t));
    }
  }
  k.front_free = paced;
}

// The next slice of this part, over as many instructions as have none.
void Engine::advance(Block& k) {
  k.slice += c_.parts;
  const auto last = program_.instructions.size() - 1;
  while (k.slice >= c_.info[k.instruction].slices) {
    k.slice = k.part;
    if (k.instruction == last) break;
    ++k.instruction;
  }
  k.wait = program_.instructions[k.instruction].waits;
}

// Injects slices whose loads are there.
void Engine::back(std::uint32_t block) {
  auto& k = blocks_[block];
  while (k.injected < k.issued) {
    auto& s = slot(k, k.injected);
    if (s.reads > 0) return;
    if (k.back_free > queue_.now()) {
      push(k.back_free, EventKind::back, block);
      return;
    }
    if (c_.slice_cost > 0 && !k.looped) {
      k.looped = true;
      k.back_free = queue_.now() + c_.slice_cost;
      continue;
    }
    k.looped = false;
    inject(k, block, s);
  }
}

void Engine::inject(Block& k, std::uint32_t block, Slot& s) {
  const auto now = queue_.now();
  const auto& info = c_.info[s.instruction];
  const auto& i = program_.instructions[s.instruction];
  const auto wire = c_.wire(s.bytes);
  const auto local = s.bytes * info.local_operands;
  auto own = now + std::max(c_.store.of(wire * info.remote_destinations), c_.reduce.of(local));
  if (!c_.memories.empty() && local > 0) {
    auto& memory = c_.resources[static_cast<std::size_t>(c_.memories[k.rank.index()])];
    const auto served = memory.pace.of(local);
    memory.free = std::min(latest, std::max(now, memory.free) + served);
    memory.busy += served;
    memory.bytes += local;
    own = std::max(own, memory.free);
  }
  auto* r = record(k, k.injected);
  auto paced = own;
  s.writes = info.remote_destinations;
  const auto order = k.injected++;
  for (auto o = i.operands + i.sources; o < i.operands + i.sources + i.destinations; ++o) {
    if (c_.path_of[o] < 0) continue;
    const auto& path = c_.paths[static_cast<std::size_t>(c_.path_of[o])];
    paced = std::max(paced, launch(make_transfer({own, wire, path.first, path.end, block, order, o, false})));
  }
  k.back_free = paced;
  if (r != nullptr) {
    r->injected = SimTime{now};
    r->processed = SimTime{own};
    r->released = SimTime{paced};
  }
  if (s.writes > 0) return;
  if (own == now) return complete(block);
  s.writes = 1;
  push(own, EventKind::done, make_transfer({own, 0, 0, 0, block, order, 0, false}));
}

std::uint32_t Engine::make_transfer(const Transfer& transfer) {
  if (transfer.end > 0) ++transfers_made_;
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

// Sends a transfer off at its first stage; returns when that stage has taken all of it, which is when its sender may go on.
std::int64_t Engine::launch(std::uint32_t transfer) { return pass(transfers_[transfer]); }

// The head is at its next stage: books it, first come, first served, and sends the head on (cut-through). The tail follows as fast as the
// slowest stage so far allows.
std::int64_t Engine::pass(Transfer& t) {
  if (overflow_) return latest;
  const auto& stage = c_.stages[t.stage];
  auto& resource = c_.resources[stage.resource];
  const auto now = queue_.now();
  const auto start = std::max(now, resource.free);
  const auto served = resource.pace.of(t.bytes);
  const auto end = std::min(latest, start + served);
  resource.free = end;
  resource.busy += served;
  resource.bytes += t.bytes;
  if (recording_ != nullptr) {
    recording_->hops.push_back({static_cast<std::int64_t>(blocks_[t.block].log + t.order), t.operand, stage.resource, SimTime{now}, SimTime{start}, SimTime{end}});
  }
  t.tail = std::max(t.tail, end) + stage.latency;
  const auto index = static_cast<std::uint32_t>(&t - transfers_.data());
  if (++t.stage == t.end) {
    push(t.tail, EventKind::done, index);
  } else {
    push(start + stage.latency, EventKind::hop, index);
  }
  return end;
}

void Engine::done(std::uint32_t transfer) {
  const auto [tail, bytes, stage, end, block, order, operand, reads] = transfers_[transfer];
  unused_.push_back(transfer);
  auto& k = blocks_[block];
  auto& s = slot(k, order);
  if (!reads) {
    if (--s.writes == 0) complete(block);
    return;
  }
  if (--s.reads > 0) return;
  if (auto* r = record(k, order)) r->arrived = SimTime{queue_.now()};
  back(block);
  front(block);
}

// Slices complete in order: a flag promises all that came before it.
void Engine::complete(std::uint32_t block) {
  auto& k = blocks_[block];
  while (k.complete < k.injected && slot(k, k.complete).writes == 0) {
    log_[k.log + k.complete] = queue_.now();
    if (auto* r = record(k, k.complete)) r->complete = SimTime{queue_.now()};
    ++k.complete;
  }
  if (k.least_needed <= k.complete) wake_waiters(k);
  if (!k.stalled) return;
  k.stalled = false;
  call_front(k, block, queue_.now());
}

void Engine::wake_waiters(Block& k) {
  auto* link = &k.first_waiter;
  k.least_needed = none;
  while (*link != none) {
    const auto index = *link;
    auto& waiter = blocks_[index];
    if (waiter.needed > k.complete) {
      k.least_needed = std::min(k.least_needed, waiter.needed);
      link = &waiter.next_waiter;
      continue;
    }
    *link = waiter.next_waiter;
    waiter.listed = false;
    call_front(waiter, index, log_[k.log + waiter.needed - 1] + c_.signal(waiter.rank, k.rank));
  }
}

}  // namespace p2plab
