// SPDX-License-Identifier: Apache-2.0
#include "latency/model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/resources.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

constexpr std::int64_t finest = 4;  // units that the narrowest link may have

bool made_for_gpus(LinkKind kind) { return kind == LinkKind::nvlink || kind == LinkKind::other; }

void index_arcs(StepModel& model) {
  const auto n = static_cast<std::size_t>(model.ranks);
  model.out.assign(n, {});
  model.in.assign(n, {});
  for (std::size_t a = 0; a < model.arcs.size(); ++a) {
    model.out[static_cast<std::size_t>(model.arcs[a].from)].push_back(static_cast<int>(a));
    model.in[static_cast<std::size_t>(model.arcs[a].to)].push_back(static_cast<int>(a));
  }
  model.distance.assign(n, std::vector<int>(n, -1));
  for (std::size_t s = 0; s < n; ++s) {
    auto& distance = model.distance[s];
    std::vector<std::size_t> queue{s};
    distance[s] = 0;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      for (const int a : model.out[queue[i]]) {
        const auto to = static_cast<std::size_t>(model.arcs[static_cast<std::size_t>(a)].to);
        if (distance[to] >= 0) continue;
        distance[to] = distance[queue[i]] + 1;
        queue.push_back(to);
      }
    }
  }
}

// All transfers over allowed routes, with the machine's resource numbers.
std::vector<StepArc> arcs_of(const Topology& topology, const Resources& resources, bool gpu_links_only) {
  const auto& routes = topology.routes();
  std::vector<StepArc> arcs;
  for (int a = 0; a < topology.ranks(); ++a) {
    for (int b = 0; b < topology.ranks(); ++b) {
      const auto path = routes.between(Rank{a}, Rank{b});
      if (path.empty()) continue;
      if (gpu_links_only && !std::ranges::all_of(path, [&](LinkId id) { return made_for_gpus(topology.link(id).kind); })) continue;
      StepArc arc{a, b, {}};
      for (const auto resource : resources.of(Rank{a}, Rank{b})) arc.resources.push_back(static_cast<int>(resource));
      arcs.push_back(std::move(arc));
    }
  }
  return arcs;
}

// Bandwidths become chunks a round; resources that nothing uses are left out.
void measure(StepModel& model, const std::vector<double>& bandwidths) {
  std::vector<int> number(bandwidths.size(), -1);
  std::vector<std::int64_t> rates;
  for (auto& arc : model.arcs) {
    for (auto& resource : arc.resources) {
      auto& known = number[static_cast<std::size_t>(resource)];
      if (known < 0) {
        known = static_cast<int>(rates.size());
        rates.push_back(std::llround(bandwidths[static_cast<std::size_t>(resource)]));
      }
      resource = known;
    }
  }
  if (rates.empty()) return;
  std::int64_t common = 0;
  for (const auto rate : rates) common = std::gcd(common, rate);
  const auto least = *std::ranges::min_element(rates);
  const auto unit = least / common <= finest ? common : least;
  model.unit = static_cast<double>(unit);
  for (const auto rate : rates) {
    model.capacity.push_back(static_cast<int>(std::min<std::int64_t>(rate / unit, 1 << 20)));
    model.exact = model.exact && rate % unit == 0;
  }
}

bool joins(const StepModel& model, std::span<const Rank> members) {
  return std::ranges::all_of(members,
                             [&](Rank a) { return std::ranges::all_of(members, [&](Rank b) { return model.distance[a.index()][b.index()] >= 0; }); });
}

}  // namespace

StepModel step_model(const Topology& topology, std::span<const Rank> members, StepFabric fabric) {
  const Resources resources(topology);
  for (const bool gpu_links_only : {true, false}) {
    if (gpu_links_only && fabric == StepFabric::any) continue;
    StepModel model{.ranks = topology.ranks(), .arcs = arcs_of(topology, resources, gpu_links_only)};
    index_arcs(model);
    if (gpu_links_only && fabric == StepFabric::automatic && !joins(model, members)) continue;
    measure(model, resources.capacities());
    return model;
  }
  expects(false);
  return {};
}

StepModel reversed(const StepModel& model) {
  auto reversed = model;
  for (auto& arc : reversed.arcs) std::swap(arc.from, arc.to);
  index_arcs(reversed);
  return reversed;
}

int least_steps(const StepModel& model, const StepTask& task) {
  int most = 0;
  for (std::size_t s = 0; s < task.wanted.size(); ++s) {
    for (std::size_t r = 0; r < task.wanted[s].size(); ++r) {
      if (task.wanted[s][r] == 0) continue;
      if (model.distance[s][r] < 0) return -1;
      most = std::max(most, model.distance[s][r]);
    }
  }
  return most;
}

int StepPlan::total_rounds() const { return std::accumulate(rounds.begin(), rounds.end(), 0); }

std::vector<int> rounds_needed(const StepModel& model, std::span<const StepItem> items, int steps) {
  std::vector<int> between(static_cast<std::size_t>(model.ranks * model.ranks), -1);
  const auto pair = [&](int from, int to) { return static_cast<std::size_t>(from * model.ranks + to); };
  for (std::size_t a = 0; a < model.arcs.size(); ++a) between[pair(model.arcs[a].from, model.arcs[a].to)] = static_cast<int>(a);
  std::vector<std::vector<int>> load(static_cast<std::size_t>(steps), std::vector<int>(model.capacity.size()));
  for (const auto& item : items) {
    for (const auto& hop : item.hops) {
      const int arc = between[pair(hop.from, hop.to)];
      expects(arc >= 0 && hop.step >= 1 && hop.step <= steps);
      for (const int r : model.arcs[static_cast<std::size_t>(arc)].resources)
        ++load[static_cast<std::size_t>(hop.step - 1)][static_cast<std::size_t>(r)];
    }
  }
  std::vector<int> rounds;
  for (const auto& used : load) {
    int most = 0;
    for (std::size_t r = 0; r < used.size(); ++r) most = std::max(most, (used[r] + model.capacity[r] - 1) / model.capacity[r]);
    rounds.push_back(most);
  }
  return rounds;
}

}  // namespace p2plab
