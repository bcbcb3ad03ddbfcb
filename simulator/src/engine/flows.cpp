// SPDX-License-Identifier: Apache-2.0
// Transfers under fair sharing: a flow drains over all resources of its path at once, then takes the path's latency to arrive.
#include "engine/engine.h"

namespace p2plab {

// Its sender goes on when it has drained, which is not known yet.
std::int64_t Engine::flow_off(std::uint32_t index) {
  const auto& t = transfers_[index];
  std::vector<std::uint32_t> resources;
  for (auto s = t.stage; s < t.end; ++s) {
    auto& resource = c_.resources[c_.stages[s].resource];
    resources.push_back(c_.stages[s].resource);
    resource.busy += resource.pace.of(t.bytes);
    resource.bytes += t.bytes;
  }
  const auto flow = fair_.add(queue_.now(), static_cast<double>(t.bytes), resources);
  if (flow >= transfer_of_.size()) transfer_of_.resize(flow + 1);
  transfer_of_[flow] = index;
  if (!share_due_) push(queue_.now(), EventKind::share, 0);
  share_due_ = true;
  return queue_.now();
}

void Engine::share() {
  share_due_ = false;
  fair_.solve(queue_.now(), fresh_drains_);
  for (const auto& drain : fresh_drains_) {
    std::uint32_t index = 0;
    if (unused_drains_.empty()) {
      index = static_cast<std::uint32_t>(drains_.size());
      drains_.emplace_back();
    } else {
      index = unused_drains_.back();
      unused_drains_.pop_back();
    }
    drains_[index] = drain;
    push(drain.time, EventKind::drain, index);
  }
}

void Engine::drained(std::uint32_t index) {
  const auto drain = drains_[index];
  unused_drains_.push_back(index);
  if (!fair_.valid(drain)) return;
  fair_.remove(drain.flow);
  if (!share_due_) push(queue_.now(), EventKind::share, 0);
  share_due_ = true;
  const auto transfer = transfer_of_[drain.flow];
  auto t = transfers_[transfer];
  unused_.push_back(transfer);
  t.tail = std::max(t.tail, queue_.now());
  for (auto s = t.stage; s < t.end; ++s) t.tail += c_.stages[s].latency;
  finish(t);
  if (t.paces) let_go(t, queue_.now());
}

}  // namespace p2plab
