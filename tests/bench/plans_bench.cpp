// SPDX-License-Identifier: Apache-2.0
// Bounds and forests at scale: time on one core, and what the plans are worth. Counters: rounds (of the plan), trees (chunks for each root),
// optimality (from the plan's link loads over the bound), peak_MiB (of the program so far).
#include <sys/resource.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/ideal_time.h"
#include "support/optima.h"
#include "support/plans.h"

namespace p2plab {
namespace {

// Servers of 16 MI250X dies with one NIC of 16 GB/s each on one switch (the machine of ForestColl's measurements).
Topology mi250_servers(int servers) {
  const auto server = *make_preset("mi250x", {});
  Topology::Builder builder("mi250-servers");
  const auto hub = builder.add_node({.name = "net", .kind = NodeKind::network_switch});
  for (int b = 0; b < servers; ++b) {
    std::vector<NodeId> gpus;
    for (const auto& node : server.nodes()) gpus.push_back(builder.add_node({.name = node.name + "." + std::to_string(b), .kind = node.kind}));
    for (auto link : server.links()) {
      link.from = gpus[link.from.index()];
      link.to = gpus[link.to.index()];
      builder.add_link(link);
    }
    for (const auto gpu : gpus) builder.add_duplex(gpu, hub, LinkKind::network, GBps(16), Seconds{2e-6});
  }
  return *std::move(builder).build();
}

Topology machine(int which) {
  switch (which) {
    case 0: return *make_preset("dgx-a100", {{"nodes", "2"}});
    case 1: return *make_preset("dgx-a100", {{"nodes", "8"}});
    case 2: return mi250_servers(4);
    case 3: return *make_preset("dgx-a100", {{"nodes", "128"}});
    case 4: return mi250_servers(64);
    case 5: return *make_preset("torus", {{"dims", "32x32"}});
    default: return *apply_mask(machine(1), {.links = {{.from = "gpu0", .to = "nic0"}}});
  }
}
constexpr const char* machine_names[] = {
    "two A100 servers", "eight A100 servers", "64 MI250", "A100 x128", "MI250 x64", "torus 32x32", "eight A100 servers, a NIC lost"};

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void bounds(benchmark::State& state, CollectiveKind kind) {
  const auto topology = machine(static_cast<int>(state.range(0)));
  double algbw = 0;
  for (auto _ : state) {
    const auto best = bound(topology, make_collective(kind, topology.ranks()));
    algbw = best->algbw_gbps();
    state.counters["attained"] = best->attained ? 1 : 0;
  }
  state.SetLabel(machine_names[state.range(0)]);
  state.counters["GB/s"] = algbw;
  state.counters["peak_MiB"] = peak_mib();
}

// Time of the planner alone: the proof comes after.
void plan_and_prove(benchmark::State& state, const Topology& topology, CollectiveKind kind, const PreviousPlan* previous = nullptr) {
  const auto planners = builtin_planners();
  PlanContext context;
  context.previous = previous;
  const auto collective = make_collective(kind, topology.ranks());
  std::optional<Plan> plan;
  for (auto _ : state) plan = *(*planners.get("algorithm", "forest"))->make()->plan(topology, collective, context);
  const auto& schedule = plan->schedule;
  if (!verify(topology, schedule)) state.SkipWithError("the plan does not verify");
  const auto best = bound(topology, collective);
  state.counters["optimality"] = bottleneck(topology, link_loads(topology, schedule)).algbw_gbps() / best->algbw_gbps();
  state.counters["rounds"] = rounds(schedule);
  state.counters["trees"] = static_cast<double>(schedule.chunks().size()) / topology.ranks();
  state.counters["steps"] = static_cast<double>(schedule.step_count());
  state.counters["peak_MiB"] = peak_mib();
}

void forest(benchmark::State& state, CollectiveKind kind) {
  state.SetLabel(machine_names[state.range(0)]);
  plan_and_prove(state, machine(static_cast<int>(state.range(0))), kind);
}

// A machine that lost something, planned anew (second argument 0) and from the plan that it had (1).
void repair(benchmark::State& state, CollectiveKind kind) {
  struct Case {
    const char* name;
    Topology before;
    Mask mask;
  };
  const auto loss = [&](std::int64_t which) -> Case {
    switch (which) {
      case 0: return {"eight A100 servers, a NIC lost", machine(1), {.links = {{.from = "gpu0", .to = "nic0"}}}};
      case 1: return {"eight A100 servers, a GPU lost", machine(1), {.gpus = {"gpu0"}}};
      case 2: return {"64 MI250, a link lost", machine(2), {.links = {{.from = "gpu0.0", .to = "gpu1.0"}}}};
      default: return {"dgx-v100, a lane lost", *make_preset("dgx-v100", {}), {.links = {{.from = "gpu0", .to = "gpu3", .fraction = 0.5}}}};
    }
  };
  const auto [name, before, mask] = loss(state.range(0));
  state.SetLabel(std::string{name} + (state.range(1) == 0 ? ": anew" : ": repaired"));
  PlanContext context;
  const auto planners = builtin_planners();
  const auto old = (*planners.get("algorithm", "forest"))->make()->plan(before, make_collective(kind, before.ranks()), context);
  const PreviousPlan previous{before, old->schedule};
  plan_and_prove(state, *apply_mask(before, mask), kind, state.range(1) == 0 ? nullptr : &previous);
}

// The reference machines, where they are at hand; ForestColl's height beside ours.
void reference(benchmark::State& state) {
  const auto rows = test::optima();
  if (static_cast<std::size_t>(state.range(0)) >= rows.size()) return state.SkipWithError("no such reference machine here");
  const auto& row = rows[static_cast<std::size_t>(state.range(0))];
  state.SetLabel(row.name);
  state.counters["ForestColl"] = row.forestcoll_height;
  plan_and_prove(state, test::reference_machine(row.name), CollectiveKind::all_gather);
}

constexpr std::array ideal_kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce};

// Simulated without latencies, over the bound: 256 slices of equal bytes in a block on the plan's lanes; every tree in 256 slices; and each step on a
// lane of its own, too.
void ideal_time(benchmark::State& state) {
  const auto rows = test::optima();
  if (static_cast<std::size_t>(state.range(0)) >= rows.size()) return state.SkipWithError("no such reference machine here");
  const auto topology = test::reference_machine(rows[static_cast<std::size_t>(state.range(0))].name);
  const auto kind = ideal_kinds[static_cast<std::size_t>(state.range(1))];
  const auto plan = *test::plan_on(topology, "forest", kind);
  constexpr int slices = 256;
  for (auto _ : state) {
    state.counters["equal_bytes"] = test::time_over_bound(topology, plan.schedule, {.slice = Bytes{(1 << 30) / topology.ranks() / slices}});
    state.counters["as_many"] = test::time_over_bound(topology, plan.schedule, {.slices = slices});
    state.counters["lane_per_step"] = test::time_over_bound(topology, plan.schedule, {.slices = slices, .lane_per_step = true});
  }
  state.SetLabel(fmt::format("{} {}", topology.name(), to_string(kind)));
}

BENCHMARK_CAPTURE(bounds, all_gather, CollectiveKind::all_gather)->DenseRange(3, 5)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(bounds, all_reduce, CollectiveKind::all_reduce)->DenseRange(3, 5)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(forest, all_gather, CollectiveKind::all_gather)->DenseRange(0, 6)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(forest, reduce_scatter, CollectiveKind::reduce_scatter)->DenseRange(0, 6)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(forest, all_reduce, CollectiveKind::all_reduce)->DenseRange(0, 5)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(repair, all_gather, CollectiveKind::all_gather)->ArgsProduct({{0, 1, 2, 3}, {0, 1}})->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(repair, all_reduce, CollectiveKind::all_reduce)->ArgsProduct({{0, 1, 2, 3}, {0, 1}})->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(reference)->DenseRange(0, 20)->Unit(benchmark::kMillisecond);
BENCHMARK(ideal_time)->ArgsProduct({benchmark::CreateDenseRange(0, 20, 1), {0, 1, 2}})->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace p2plab
