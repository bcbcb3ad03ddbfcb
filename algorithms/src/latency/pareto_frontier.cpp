// SPDX-License-Identifier: Apache-2.0
#include "p2plab/plan/frontier.h"

#include <chrono>

#include <fmt/format.h>

#include "latency/variants.h"
#include "p2plab/bounds/bounds.h"

namespace p2plab {

namespace {

constexpr std::size_t most_columns = 4000;
constexpr int most_nodes = 3000;
constexpr int steps_beyond = 2;

}  // namespace

Result<Frontier> frontier(const Topology& topology, const Collective& collective, const FrontierOptions& options) {
  if (topology.ranks() > most_ranks) {
    return Error{ErrorCode::unsupported,
                 fmt::format("the frontier is searched for up to {} GPUs, not {}", most_ranks, topology.ranks()),
                 std::nullopt,
                 {"mask GPUs that take no part"}};
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto late = [&] {
    return (options.time_limit && std::chrono::steady_clock::now() - begin > *options.time_limit) || (options.stop && options.stop());
  };
  auto limit = bound(topology, collective, {}, late);
  if (!limit) return std::move(limit).error();
  const StepEffort effort{.most_columns = most_columns, .nodes = most_nodes, .stop = late};
  LatencyVariants variants(topology, collective, StepFabric::automatic, effort);
  Frontier result;
  result.least_steps = variants.least_steps();
  result.unit = Bandwidth::bytes_per_second(static_cast<std::int64_t>(variants.model().unit));
  result.exact = variants.model().exact;
  result.least_ratio = limit->inverse_rate.value() * variants.model().unit * 1e-9;
  const int most_steps = options.most_steps > 0 ? options.most_steps : result.least_steps + steps_beyond;
  for (const auto& variant : variants.frontier(options.most_chunks, most_steps, result.least_ratio)) {
    PlanWords words{
        {{"chunks", std::to_string(variant.chunks)}, {"steps", std::to_string(variant.steps)}, {"rounds", std::to_string(variant.rounds)}},
        fmt::format("{} chunks in {} steps of {} rounds together", variant.chunks, variant.steps, variant.rounds)};
    auto plan = variants.plan(variant, std::move(words));
    if (!plan) return std::move(plan).error();
    result.points.push_back({variant.chunks, variant.steps, variant.rounds, variant.proved, variant.most_chunks, *std::move(plan)});
  }
  result.complete = !late();
  result.time = std::chrono::steady_clock::now() - begin;
  return result;
}

}  // namespace p2plab
