// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/moment_order.h"
#include "engine/steady_state.h"

namespace p2plab {

Engine::Engine(Compiled& compiled, const EngineOutputs& outputs) : agenda_{.program = compiled, .outputs = outputs}, blocks_(agenda_) {
  if (compiled.folded) agenda_.heads.resize(compiled.resources.size());
  if (compiled.fair) {
    fair_ = std::make_unique<FairLinks>(agenda_, blocks_);
    links_ = fair_.get();
  } else {
    arbitrated_ = std::make_unique<ArbitratedLinks>(agenda_, blocks_);
    links_ = arbitrated_.get();
  }
  blocks_.attach(*links_);
}

void Engine::give_up_beyond(std::int64_t useful, const std::vector<std::int64_t>& loads) {
  // Fair shares book nothing.
  if (arbitrated_) outlook_.emplace(agenda_, loads, useful);
}

Status Engine::run() {
  if (std::max(blocks_.size(), arbitrated_ ? arbitrated_->turns() : 0) >= std::size_t{1} << EventQueue::index_bits)
    return Error{ErrorCode::unsupported, "the program has too many thread blocks"};
  blocks_.begin();
  std::optional<SteadyState> steady;
  const auto& outputs = agenda_.outputs;
  if (arbitrated_ && !outputs.every_slice && outputs.begins == nullptr && outputs.recording == nullptr)
    steady.emplace(agenda_, blocks_, *arbitrated_);
  if (arbitrated_ && !agenda_.program.places.empty()) return run_in_order(steady ? &*steady : nullptr);
  auto& queue = agenda_.events;
  for (auto events = queue.take(); !events.empty() && goes_on(); events = queue.take()) {
    for (const auto packed : events) handle(EventQueue::unpack(packed));
    if (steady) steady->look();
  }
  return end();
}

Status Engine::run_in_order(SteadyState* steady) {
  MomentOrder order(agenda_.program, *arbitrated_);
  std::vector<EventQueue::Packed> events;
  for (agenda_.events.take_moment(events); !events.empty() && goes_on(); agenda_.events.take_moment(events)) {
    order.sort(events);
    for (const auto packed : events) handle(EventQueue::unpack(packed));
    if (steady != nullptr) steady->look();
  }
  return end();
}

bool Engine::goes_on() {
  given_up_ = (outlook_ && outlook_->is_vain()) || (agenda_.now() > free_by_ && blocks_.none_is_free_by(std::exchange(free_by_, latest)));
  return !given_up_ && !agenda_.overflow && !agenda_.ambiguous;
}

Status Engine::end() const {
  if (agenda_.overflow) return Error{ErrorCode::unsupported, "the simulated time exceeds 26 days; check bandwidths and sizes"};
  if (!agenda_.ambiguous && !given_up_ && !blocks_.all_complete()) return blocks_.stuck();
  return {};
}

void Engine::handle(const Event& event) {
  if (event.kind == EventKind::issue) return blocks_.issue_ready(event.index);
  if (event.kind != EventKind::send) return links_->handle(event);
  blocks_.send_ready(event.index);
  blocks_.issue_ready(event.index);
}

}  // namespace p2plab
