// SPDX-License-Identifier: Apache-2.0
#include "common/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/analysis.h"

namespace p2plab {

namespace {

constexpr Seconds flag_latency{1e-6};  // a flag and a look at it, about 1 us on today's GPUs
constexpr Bytes least_slice = Bytes{16LL << 10};

Seconds round_latency(const Topology& topology, const Collective& collective) {
  const auto& routes = topology.routes();
  const auto& kinds = routes.kinds();
  const auto latencies = kinds.each(Seconds{0}, [&](Rank from, Rank to) {
    Seconds latency{0};
    for (const auto id : routes.between(from, to)) latency += topology.link(id).latency;
    return latency;
  });
  if (collective.members.size() == static_cast<std::size_t>(topology.ranks())) return std::ranges::max(latencies) + flag_latency;
  Seconds longest{0};
  for (const auto from : collective.members) {
    for (const auto to : collective.members) longest = std::max(longest, latencies[kinds.of(from, to)]);
  }
  return longest + flag_latency;
}

}  // namespace

Seconds PlanEstimate::time(Bytes size) const {
  return Seconds{static_cast<double>(size > Bytes{0} ? size.count() : usual_size.count()) * seconds_per_byte} + latency;
}

PlanEstimate estimate(const Topology& topology, const Schedule& schedule) {
  return {.seconds_per_byte = bottleneck(topology, link_loads(topology, schedule)).seconds_per_byte,
          .latency = round_latency(topology, schedule.collective()) * rounds(schedule)};
}

std::size_t least_estimated(std::span<const PlanEstimate> estimates, Bytes size) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < estimates.size(); ++i) {
    if (estimates[i].time(size) < estimates[best].time(size) * (1 - alike_estimates)) best = i;
  }
  return best;
}

Result<Plan> least_estimated(const Topology& topology, Result<std::vector<Plan>> plans, Bytes size) {
  if (!plans) return std::move(plans).error();
  std::vector<PlanEstimate> estimates;
  if (plans->size() > 1) {
    for (const auto& plan : *plans) estimates.push_back(estimate(topology, plan.schedule));
  }
  return std::move((*plans)[least_estimated(estimates, size)]);
}

std::optional<Seconds> time_of_direct_sends(const Topology& topology, const Collective& collective, const Payload& payload, const SentToEach& sent) {
  constexpr std::int64_t rounding = 32;  // bytes: pieces begin and end at multiples of 16
  const auto& members = collective.members;
  if (members.size() < 2 || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  const auto size = payload.size().count();
  const auto piece = std::max<std::int64_t>(0, size / static_cast<std::int64_t>(members.size()) - rounding);
  const auto bytes = Bytes{sent.whole ? size : sent.pieces * piece};
  const auto& routes = topology.routes();
  std::vector<std::int64_t> ways(topology.links().size());  // by link
  for (const auto other : members) {
    const auto path = routes.between(members.front(), other);
    if (path.empty() && other != members.front()) return std::nullopt;
    for (const auto link : path) ++ways[link.index()];
  }
  Seconds longest{0};
  for (std::size_t l = 0; l < ways.size(); ++l) {
    if (ways[l] > 0)
      longest = std::max(longest, Bytes{bytes.count() * ways[l]} / routes.bottleneck(std::array{LinkId{static_cast<std::int64_t>(l)}}));
  }
  return longest;
}

void suggest_slices(Plan& plan, const Topology& topology, Bytes size) {
  const int hops = rounds(plan.schedule);
  const auto busiest = bottleneck(topology, link_loads(topology, plan.schedule)).seconds_per_byte;
  if (hops < 2 || busiest == 0 || size <= Bytes{0}) return;
  const double latency = round_latency(topology, plan.schedule.collective()).count();
  const double best = std::sqrt(static_cast<double>(size.count()) * latency / (hops * busiest));
  const auto slice = std::max(static_cast<std::int64_t>(best), least_slice.count());
  plan.tuning.slice = Bytes{(slice + 15) / 16 * 16};
}

bool each_has_data(const Collective& collective, const Payload& payload) {
  if (collective.members.size() < 2 || !collective.silent.empty() || !collective.shares.empty()) return false;
  return payload.elements >= (sharded(collective.kind) ? std::ssize(collective.members) : 1);
}

std::optional<StepChain> chain_along(const Topology& topology, std::span<const Rank> way) {
  StepChain chain;
  for (std::size_t i = 1; i < way.size(); ++i) {
    const auto path = topology.routes().between(way[i - 1], way[i]);
    if (path.empty()) return std::nullopt;
    for (const auto link : path) chain.latency += topology.link(link).latency;
    ++chain.steps;
  }
  return chain;
}

std::optional<StepChain> least_chain(const Topology& topology, CollectiveKind kind, std::span<const std::vector<Rank>> ways) {
  using enum CollectiveKind;
  if (kind != all_gather && kind != reduce_scatter && kind != all_reduce) return std::nullopt;
  std::optional<StepChain> least;
  for (const auto& out : ways) {
    std::vector<Rank> way;
    if (kind != all_gather) way.assign(out.rbegin(), out.rend());
    if (kind == all_reduce) way.pop_back();
    if (kind != reduce_scatter) way.insert(way.end(), out.begin(), out.end());
    const auto mine = chain_along(topology, way);
    if (!mine) return std::nullopt;
    least = least ? StepChain{std::min(least->steps, mine->steps), std::min(least->latency, mine->latency)} : *mine;
  }
  return least;
}

}  // namespace p2plab
