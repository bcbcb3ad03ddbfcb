// SPDX-License-Identifier: Apache-2.0
#include "sharing/fair_share.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace p2plab {

namespace {

constexpr double per_picosecond = 1e-12;

struct Level {
  double share = 0;
  std::uint32_t resource = 0;
  friend bool operator>(const Level& a, const Level& b) { return a.share > b.share || (a.share == b.share && a.resource > b.resource); }
};

}  // namespace

FairShare::FairShare(std::vector<double> capacities) : shared_(capacities.size()) {
  for (std::size_t r = 0; r < capacities.size(); ++r) shared_[r].capacity = capacities[r] * per_picosecond;
}

std::uint32_t FairShare::add(std::int64_t now, double bytes, std::span<const std::uint32_t> resources) {
  std::uint32_t index = 0;
  if (unused_.empty()) {
    index = static_cast<std::uint32_t>(flows_.size());
    flows_.emplace_back();
  } else {
    index = unused_.back();
    unused_.pop_back();
  }
  auto& flow = flows_[index];
  flow.rest = bytes;
  flow.rate = 0;
  flow.since = now;
  ++flow.version;
  flow.active = true;
  flow.resources.assign(resources.begin(), resources.end());
  std::ranges::sort(flow.resources);
  for (const auto resource : flow.resources) {
    shared_[resource].flows.push_back(index);
    changed_.push_back(resource);
  }
  return index;
}

void FairShare::remove(std::uint32_t index) {
  auto& flow = flows_[index];
  flow.active = false;
  for (const auto resource : flow.resources) {
    auto& flows = shared_[resource].flows;
    flows.erase(std::ranges::find(flows, index));
    changed_.push_back(resource);
  }
  unused_.push_back(index);
}

void FairShare::solve(std::int64_t now, std::vector<Drain>& drains) {
  drains.clear();
  gather();
  share_out(now, drains);
  for (const auto resource : component_) {
    shared_[resource].gathered = false;
    for (const auto flow : shared_[resource].flows) flows_[flow].gathered = false;
  }
  component_.clear();
  changed_.clear();
}

// All that hangs together with what changed.
void FairShare::gather() {
  const auto take = [&](std::uint32_t resource) {
    auto& shared = shared_[resource];
    if (shared.gathered) return;
    shared.gathered = true;
    shared.left = shared.capacity;
    shared.open = static_cast<std::uint32_t>(shared.flows.size());
    component_.push_back(resource);
  };
  for (const auto resource : changed_) take(resource);
  for (std::size_t i = 0; i < component_.size(); ++i) {
    for (const auto flow : shared_[component_[i]].flows) {
      if (flows_[flow].gathered) continue;
      flows_[flow].gathered = true;
      for (const auto resource : flows_[flow].resources) take(resource);
    }
  }
}

// Progressive filling: the resource with the least to give to each of its flows settles theirs. `gathered` now means: has no rate yet.
void FairShare::share_out(std::int64_t now, std::vector<Drain>& drains) {
  std::priority_queue<Level, std::vector<Level>, std::greater<>> levels;
  const auto offer = [&](std::uint32_t resource) {
    const auto& shared = shared_[resource];
    if (shared.open > 0) levels.push({std::max(shared.left, 0.0) / shared.open, resource});
  };
  for (const auto resource : component_) offer(resource);
  while (!levels.empty()) {
    const auto [share, resource] = levels.top();
    levels.pop();
    const auto& shared = shared_[resource];
    if (shared.open == 0 || share != std::max(shared.left, 0.0) / shared.open) continue;  // out of date
    for (const auto flow : shared.flows) {
      if (!flows_[flow].gathered) continue;
      flows_[flow].gathered = false;
      settle_rate(flow, share, now, drains);
      for (const auto other : flows_[flow].resources) {
        shared_[other].left -= share;
        --shared_[other].open;
        if (other != resource) offer(other);
      }
    }
  }
}

void FairShare::settle_rate(std::uint32_t index, double rate, std::int64_t now, std::vector<Drain>& drains) {
  auto& flow = flows_[index];
  if (rate == flow.rate) return;
  flow.rest = std::max(0.0, flow.rest - flow.rate * static_cast<double>(now - flow.since));
  flow.since = now;
  flow.rate = rate;
  ++flow.version;
  // Times round up, but not because of the last bit of a double.
  constexpr double hair = 1e-6;
  drains.push_back({index, flow.version, now + static_cast<std::int64_t>(std::ceil(flow.rest / rate - hair))});
}

}  // namespace p2plab
