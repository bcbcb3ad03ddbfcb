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

Result<Frontier> frontier(const Topology& topology, const Routes& routes, const Collective& collective, const FrontierOptions& options) {
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
  LatencyVariants forms(topology, collective, routes, StepFabric::automatic, effort);
  Frontier result;
  result.least_steps = forms.least_steps();
  result.unit = Bandwidth::bytes_per_second(static_cast<std::int64_t>(forms.model().unit));
  result.exact = forms.model().exact;
  result.least_ratio = limit->inverse_rate.value() * forms.model().unit * 1e-9;
  const int most_steps = options.most_steps > 0 ? options.most_steps : result.least_steps + steps_beyond;
  for (const auto& form : forms.frontier(options.most_chunks, most_steps, result.least_ratio)) {
    PlanWords words{{{"chunks", std::to_string(form.chunks)}, {"steps", std::to_string(form.steps)}, {"rounds", std::to_string(form.rounds)}},
                    fmt::format("{} chunks in {} steps of {} rounds together", form.chunks, form.steps, form.rounds)};
    auto plan = forms.plan(form, std::move(words));
    if (!plan) return std::move(plan).error();
    result.points.push_back({form.chunks, form.steps, form.rounds, form.proved, form.most_chunks, *std::move(plan)});
  }
  result.complete = !late();
  result.time = std::chrono::steady_clock::now() - begin;
  return result;
}

}  // namespace p2plab
