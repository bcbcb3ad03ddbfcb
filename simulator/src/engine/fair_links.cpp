// SPDX-License-Identifier: Apache-2.0
#include "engine/fair_links.h"

#include <algorithm>

#include "engine/thread_blocks.h"

namespace p2plab {

namespace {

std::vector<double> capacities(const Compiled& compiled) {
  std::vector<double> rates;
  for (const auto& resource : compiled.resources) rates.push_back(static_cast<double>(resource.transfer_time.rate));
  return rates;
}

}  // namespace

FairLinks::FairLinks(Agenda& agenda, ThreadBlocks& blocks) : Links(agenda, blocks), shares_(capacities(agenda.program)) {}

// Its thread block goes on when it has drained, which is not known yet.
std::int64_t FairLinks::launch(Transfer transfer) {
  blocks_.hold(transfer);
  transfer.paces = true;
  begin_flow(keep(transfer));
  return agenda_.now();
}

void FairLinks::handle(const Event& event) {
  if (event.kind == EventKind::hop) return begin_flow(event.index);
  event.kind == EventKind::drain ? end_flow(event.index) : share_out();
}

void FairLinks::begin_flow(std::uint32_t index) {
  const auto& transfer = transfers_[index];
  std::vector<std::uint32_t> resources;
  for (auto s = transfer.stage; s < transfer.end; ++s) {
    auto& resource = program_.resources[program_.stages[s].resource];
    resources.push_back(program_.stages[s].resource);
    resource.busy += resource.transfer_time.of(transfer.bytes);
    resource.bytes += transfer.bytes;
  }
  const auto flow = shares_.add(agenda_.now(), static_cast<double>(transfer.bytes), resources);
  if (flow >= transfer_of_.size()) transfer_of_.resize(flow + 1);
  transfer_of_[flow] = index;
  share_soon();
}

// Once for all flows that begin and end now.
void FairLinks::share_soon() {
  if (!share_due_) agenda_.schedule(agenda_.now(), EventKind::share, 0);
  share_due_ = true;
}

void FairLinks::share_out() {
  share_due_ = false;
  shares_.solve(agenda_.now(), fresh_drains_);
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
    agenda_.schedule(drain.time, EventKind::drain, index);
  }
}

void FairLinks::end_flow(std::uint32_t index) {
  const auto drain = drains_[index];
  unused_drains_.push_back(index);
  if (!shares_.valid(drain)) return;
  shares_.remove(drain.flow);
  share_soon();
  auto transfer = transfers_[transfer_of_[drain.flow]];
  release(transfer_of_[drain.flow]);
  transfer.tail = std::max(transfer.tail, agenda_.now());
  for (auto s = transfer.stage; s < transfer.end; ++s) transfer.tail += program_.stages[s].latency;
  blocks_.arrived(transfer);
  if (transfer.paces) blocks_.released(transfer, agenda_.now());
}

}  // namespace p2plab
