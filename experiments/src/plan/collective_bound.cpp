// SPDX-License-Identifier: Apache-2.0
#include "plan/collective_bound.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include "p2plab/program/packet_wire.h"

namespace p2plab {

namespace {

bool all_hear_all(const Collective& collective, int ranks) {
  using enum CollectiveKind;
  const auto kind = collective.kind;
  const bool to_all = kind == all_reduce || kind == all_gather || kind == reduce_scatter || kind == all_to_all;
  const bool relayed = collective.members.size() != static_cast<std::size_t>(ranks);
  return to_all && !relayed && collective.silent.empty() && collective.shares.empty();
}

// How many times the data's bytes packets have, at least.
double least_on_the_wire() {
  constexpr Bytes whole_lines{120 * 128};
  auto least = std::numeric_limits<double>::infinity();
  for (const auto wire : {PacketWire::ll, PacketWire::ll128, PacketWire::lamport})
    least = std::min(least, static_cast<double>(wire_bytes(wire, whole_lines).count()) / static_cast<double>(whole_lines.count()));
  return least;
}

}  // namespace

Limit limit_of(const Topology& topology, const Collective& collective, const std::function<bool()>& stop) {
  constexpr std::chrono::seconds longest{30};
  const auto end = std::chrono::steady_clock::now() + longest;
  auto found = bound(topology, collective, {}, [&] { return (stop && stop()) || std::chrono::steady_clock::now() > end; });
  if (!found) return {.time = [](const Payload&) { return std::nullopt; }, .missing = found.error().message};
  const auto rate = found->algbw_gbps();
  Limit limit{.algbw_gbps = rate > 0 ? std::optional(rate) : std::nullopt, .time = {}, .argument = found->argument};
  for (const auto node : found->cut) limit.cut.push_back(topology.node(node).name);
  limit.bound = std::make_shared<const Bound>(*std::move(found));
  limit.time = [bound = limit.bound](const Payload& payload) { return std::optional(lower_bound(*bound, payload)); };
  return limit;
}

Seconds least_in_a_row(const Bound& bound, const Collective& collective, int ranks, const Payload& payload) {
  const auto alone = lower_bound(bound, payload);
  if (all_hear_all(collective, ranks)) return alone;
  auto rate = bound;
  rate.cut_latency = rate.latency = Seconds{0};
  return std::min(alone, lower_bound(rate, payload) * least_on_the_wire());
}

}  // namespace p2plab
