// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/sliced_run.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lowered/noted_items.h"
#include "lowered/wait_limit.h"

namespace p2plab::cuda {

Status SlicedRun::link() {
  ranks_.resize(addresses_.size());
  return each_rank([&](std::size_t rank) { return link_rank(rank); });
}

Status SlicedRun::link_rank(std::size_t rank) {
  auto& state = ranks_[rank];
  state.linked = link_slices(program_, peer_access_, Rank{static_cast<std::int64_t>(rank)}, addresses_);
  const auto& linked = state.linked;
  const std::array tables{table(linked.lanes), table(linked.instructions), table(linked.waits), table(linked.addresses)};
  auto uploaded = upload(rank, tables);
  if (!uploaded) return std::move(uploaded).error();
  state.tables_memory = std::move(uploaded->memory);
  auto& call = state.call;
  call = linked.call;
  call.lanes = reinterpret_cast<const args::SliceLane*>(uploaded->addresses[0]);
  call.instructions = reinterpret_cast<const args::SliceInstruction*>(uploaded->addresses[1]);
  call.waits = reinterpret_cast<const args::SliceWait*>(uploaded->addresses[2]);
  call.addresses = reinterpret_cast<const std::uint64_t*>(uploaded->addresses[3]);
  call.calls = reinterpret_cast<std::uint32_t*>(counters(rank));
  call.report = report_address(rank);
  call.abort = abort_address();
  call.timeout = nanoseconds(deadline_);
  state.blocks = std::max(call.lane_count, 1U) * call.blocks_per_lane;
  return {};
}

NotedItems SlicedRun::noted(Rank rank) const {
  if (!steps_) return {};
  return {.blocks_per_lane = program_.tuning.blocks_per_lane, .lanes = noted_items(program_, rank)};
}

std::vector<Arrival> SlicedRun::arrivals() const {
  std::vector<LinkedSlices> all;
  for (const auto& state : ranks_) all.push_back(state.linked);
  return arrivals_of(all);
}

std::string SlicedRun::describe_wait(std::size_t rank, const args::HangReport& report) const {
  const auto& linked = ranks_[rank].linked;
  const auto lane = report.block / linked.call.blocks_per_lane;
  const auto where = fmt::format("lane {}, block {}", lane, report.block % linked.call.blocks_per_lane);
  if (report.item == args::item_start) return fmt::format("{}: for rank {} to begin", where, linked.start_peers[lane][report.wait]);
  if (report.item == args::item_closing) return fmt::format("{}: for rank {} to end", where, linked.closing_peers[report.wait]);
  const auto& instruction = linked.instructions[linked.lanes[lane].first + report.item];
  return fmt::format("{}: for slice {} {}", where, report.position, waited_for(linked.origins[instruction.waits + report.wait]));
}

}  // namespace p2plab::cuda
