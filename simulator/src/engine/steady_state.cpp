// SPDX-License-Identifier: Apache-2.0
#include "engine/steady_state.h"

#include <algorithm>

namespace p2plab {

namespace {

constexpr std::int64_t worth = 16;         // slices that a thread block must have before it for a look to pay
constexpr std::uint32_t most_beats = 128;  // slices in which a state must come again
constexpr std::int64_t first_pause = 16;

std::uint64_t mixed(std::uint64_t hash, std::int64_t value) { return (hash ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15U; }

}  // namespace

SteadyState::SteadyState(Agenda& agenda, ThreadBlocks& blocks, ArbitratedLinks& links)
    : agenda_(agenda), blocks_(blocks), links_(links), loops_(agenda.program), pause_(first_pause) {
  const auto& program = agenda.program;
  for (const auto& work : program.works) memory_ = std::max(memory_, work.cost + work.after);
  std::int64_t signal = 0;
  for (const auto& costs : program.program_costs) signal = std::max({signal, costs.signal_peer, costs.signal_local});
  memory_ += signal + 1;
  rest();
}

// Looks at the state whenever the thread block with the most slices before it has completed another one, and compares it with an earlier one.
void SteadyState::compare() {
  if (leader_ == no_index) return choose_leader();
  const auto completed = blocks_.completed(leader_);
  if (completed < due_) return;
  if (!loops_.any() && blocks_.work_of(leader_) != work_) return rest();
  due_ = completed + 1;
  // Most states differ in what is seen at a glance.
  const auto seen = glance();
  if (!then_.state.empty() && seen == then_.glance) {
    if (const auto now = snapshot(&then_); !now.differs && now.state.size() == then_.state.size()) {
      skip(now);
      return rest();
    }
    met_ = true;
  }
  // What comes again at a glance, and does not look like `then_`, says that `then_` was of the time before.
  if (!met_ && std::ranges::find(seen_, seen) != seen_.end()) {
    remember();
  } else {
    seen_[beats_ % seen_.size()] = seen;
  }
  if (++beats_ < window_) return;
  if (beats_ >= most_beats) {
    pause_ *= 2;
    return rest();
  }
  window_ *= 2;
  if (met_) remember();
}

void SteadyState::remember() {
  then_ = snapshot();
  met_ = false;
  seen_ = {};
}

void SteadyState::rest() {
  leader_ = no_index;
  next_look_ = agenda_.events.count() + pause_ * static_cast<std::int64_t>(blocks_.size());
}

void SteadyState::choose_leader() {
  if (!looked_) loops_.find();
  looked_ = true;
  leader_ = blocks_.busiest(worth, loops_.any());
  if (leader_ == no_index) return rest();
  work_ = blocks_.work_of(leader_);
  due_ = blocks_.completed(leader_) + 1;
  beats_ = 0;
  window_ = 2;
  then_ = {};
  met_ = false;
  seen_ = {};
  seen_.back() = glance();
}

// A hash of what is quickly seen of the state: of the leader, and until when resources are booked.
std::uint64_t SteadyState::glance() const {
  auto hash = blocks_.glance(leader_, memory_);
  for (const auto& resource : agenda_.program.resources) hash = mixed(hash, std::max<std::int64_t>(resource.free - agenda_.now(), 0));
  return hash;
}

// What differs most often comes first (events of one time in another order, say): one that differs from `earlier` is left unfinished.
Snapshot SteadyState::snapshot(const Snapshot* earlier) const {
  Snapshot m{.now = agenda_.now(),
             .memory = memory_,
             .events = agenda_.events.count(),
             .transfers = agenda_.transfers,
             .glance = glance(),
             .earlier = earlier};
  m.state.reserve(then_.state.size());
  agenda_.events.each([&](std::int64_t time, const Event& event) {
    if (m.differs) return;
    m.word(time - m.now);
    m.word(event.kind);
    event.kind == EventKind::hop ? links_.describe(m, event.index) : m.word(event.index);
  });
  m.end_section();
  for (const auto& resource : agenda_.program.resources) {
    if (m.differs) return m;
    m.word(std::max<std::int64_t>(resource.free - m.now, 0));
  }
  blocks_.describe(m, loops_);
  if (m.differs) return m;
  links_.describe_queues(m);
  for (const auto& resource : agenda_.program.resources) {
    m.busy.push_back(resource.busy);
    m.bytes.push_back(resource.bytes);
  }
  return m;
}

void SteadyState::skip(const Snapshot& now) {
  const auto period = now.now - then_.now;
  const auto rounds = blocks_.rounds_left(then_, now, loops_, (latest - now.now) / period / 2);
  if (rounds <= 0) return;
  const auto time = period * rounds;
  blocks_.skip(then_, now, rounds);
  links_.skip(then_, now, rounds);
  auto& resources = agenda_.program.resources;
  for (std::size_t r = 0; r < resources.size(); ++r) {
    resources[r].free += time;
    resources[r].busy += (now.busy[r] - then_.busy[r]) * rounds;
    resources[r].bytes += (now.bytes[r] - then_.bytes[r]) * rounds;
  }
  agenda_.transfers += (now.transfers - then_.transfers) * rounds;
  agenda_.events.shift(time, (now.events - then_.events) * rounds);
}

}  // namespace p2plab
