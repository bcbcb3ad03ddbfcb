// SPDX-License-Identifier: Apache-2.0
#include "engine/steady_state.h"

#include <algorithm>

namespace p2plab {

namespace {

constexpr std::int64_t worth = 16;        // slices that a thread block must have before it for a look to pay
constexpr std::uint32_t most_beats = 64;  // slices in which a state must come again
constexpr std::int64_t first_pause = 64;

}  // namespace

SteadyState::SteadyState(Agenda& agenda, ThreadBlocks& blocks, ArbitratedLinks& links)
    : agenda_(agenda), blocks_(blocks), links_(links), pause_(first_pause) {
  const auto& program = agenda.program;
  for (const auto& work : program.works) memory_ = std::max(memory_, work.cost + work.after);
  memory_ += std::max(program.signal_peer, program.signal_local) + 1;
  rest();
}

// Looks at the state whenever the thread block with the most slices before it has completed another one, and compares it with an earlier one.
void SteadyState::compare() {
  if (leader_ == no_index) return choose_leader();
  const auto completed = blocks_.completed(leader_);
  if (completed < due_) return;
  if (blocks_.work_of(leader_) != work_) return rest();
  due_ = completed + 1;
  // Most states differ in what is seen at a glance.
  if (blocks_.glance(leader_, memory_) == then_.glance) {
    if (const auto now = snapshot(); now.state == then_.state) {
      skip(now);
      return rest();
    }
  }
  if (++beats_ < window_) return;
  if (window_ >= most_beats) {
    pause_ *= 2;
    return rest();
  }
  then_ = snapshot();
  beats_ = 0;
  window_ *= 2;
}

void SteadyState::rest() {
  leader_ = no_index;
  next_look_ = agenda_.events.count() + pause_ * static_cast<std::int64_t>(blocks_.size());
}

void SteadyState::choose_leader() {
  leader_ = blocks_.busiest(worth);
  if (leader_ == no_index) return rest();
  work_ = blocks_.work_of(leader_);
  due_ = blocks_.completed(leader_) + 1;
  beats_ = 0;
  window_ = 2;
  then_ = snapshot();
}

Snapshot SteadyState::snapshot() const {
  Snapshot m{.now = agenda_.now(),
             .memory = memory_,
             .events = agenda_.events.count(),
             .transfers = agenda_.transfers,
             .glance = blocks_.glance(leader_, memory_)};
  m.state.reserve(then_.state.size());
  blocks_.describe(m);
  agenda_.events.each([&](std::int64_t time, const Event& event) {
    m.word(time - m.now);
    m.word(event.kind);
    event.kind == EventKind::hop ? links_.describe(m, event.index) : m.word(event.index);
  });
  links_.describe_queues(m);
  for (const auto& resource : agenda_.program.resources) {
    m.word(std::max<std::int64_t>(resource.free - m.now, 0));
    m.busy.push_back(resource.busy);
    m.bytes.push_back(resource.bytes);
  }
  return m;
}

void SteadyState::skip(const Snapshot& now) {
  const auto period = now.now - then_.now;
  const auto rounds = blocks_.rounds_left(then_, (latest - now.now) / period / 2);
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
