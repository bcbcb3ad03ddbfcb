// SPDX-License-Identifier: Apache-2.0
// Steps planned, built, verified, lowered and checked per second.
#include <fstream>
#include <string>

#include <benchmark/benchmark.h>

#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {
namespace {

Topology switched(int gpus) {
  Topology::Builder builder("switched");
  const auto fabric = builder.add_node({.name = "switch", .kind = NodeKind::nvswitch});
  for (int i = 0; i < gpus; ++i)
    builder.add_duplex(builder.add_node({.name = "gpu" + std::to_string(i)}), fabric, LinkKind::nvlink, GBps(450), Seconds{5e-7});
  return *std::move(builder).build();
}

// A ring reduce-scatter with `pieces` chunks a block: ranks * (ranks - 1) * pieces steps.
Schedule ring_reduce_scatter(int ranks, int pieces) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::reduce_scatter, ranks), ranks);
  for (int b = 0; b < ranks; ++b) {
    for (int p = 0; p < pieces; ++p) builder.add_chunk({b, 1, p});
  }
  for (int k = 1; k < ranks; ++k) {
    for (int r = 0; r < ranks; ++r) {
      const int block = (r - k + ranks) % ranks;
      const Rank next{(r + 1) % ranks};
      for (int p = 0; p < pieces; ++p) {
        const ChunkId chunk{block * pieces + p};
        const Location own = input(Rank{r}, chunk);
        const Location partial = scratch(Rank{r}, chunk.value);
        const Location sum = scratch(next, chunk.value);
        k == 1 ? builder.copy(Rank{r}, own, sum) : builder.add_step(Rank{r}, std::array{partial, own}, std::array{sum});
      }
    }
  }
  for (int b = 0; b < ranks; ++b) {
    for (int p = 0; p < pieces; ++p) {
      const ChunkId chunk{b * pieces + p};
      builder.add_step(Rank{b}, std::array{scratch(Rank{b}, chunk.value), input(Rank{b}, chunk)}, std::array{output(Rank{b}, chunk)});
    }
  }
  return *std::move(builder).build();
}

// Arguments: ranks, pieces.
void build(benchmark::State& state) {
  std::size_t steps = 0;
  std::size_t memory = 0;
  for (auto _ : state) {
    const auto schedule = ring_reduce_scatter(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
    steps += schedule.step_count();
    memory = schedule.memory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(steps));
  state.counters["MB"] = static_cast<double>(memory) * 1e-6;
}

constexpr int plan_ranks = 64;

Result<Plan> plan_with(const Planner& planner, const Topology& machine) {
  const PlanContext context{.payload = {.elements = std::int64_t{8} << 20, .type = DataType::float16}};
  return planner.plan(machine, make_collective(CollectiveKind::all_reduce, plan_ranks), context);
}

// Those of the registered planners that do all-reduce here; `auto` would need a predictor.
void planners_of_all_reduce(benchmark::internal::Benchmark* all) {
  const auto machine = switched(plan_ranks);
  const auto planners = builtin_planners();
  for (std::size_t p = 0; p < planners.entries().size(); ++p) {
    if (plan_with(*planners.entries()[p].make(), machine)) all->Arg(static_cast<std::int64_t>(p));
  }
}

// Argument: which registered planner, among 64 GPUs on one switch.
void plan(benchmark::State& state) {
  const auto machine = switched(plan_ranks);
  const auto planners = builtin_planners();
  const auto& entry = planners.entries()[static_cast<std::size_t>(state.range(0))];
  const auto planner = entry.make();
  state.SetLabel(entry.name);
  std::size_t steps = 0;
  for (auto _ : state) {
    const auto planned = plan_with(*planner, machine);
    if (!planned) return state.SkipWithError(planned.error().message.c_str());
    steps += planned->schedule.step_count();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(steps));
}

void prove(benchmark::State& state) {
  const auto machine = switched(static_cast<int>(state.range(0)));
  const auto schedule = ring_reduce_scatter(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) {
    if (!verify(machine, schedule)) state.SkipWithError("not proved");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(schedule.step_count()) * state.iterations());
}

void lower_it(benchmark::State& state) {
  const auto machine = switched(static_cast<int>(state.range(0)));
  const auto schedule = ring_reduce_scatter(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  const auto proof = *verify(machine, schedule);
  for (auto _ : state) {
    if (!lower(schedule, proof, {.elements = (1 << 24) + state.range(2)}, {})) state.SkipWithError("not lowered");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(schedule.step_count()) * state.iterations());
}

// A line of /proc/self/status, such as VmHWM: megabytes.
double memory_of(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) * 1024e-6;
  }
  return 0;
}

// The proof of the lowered program; "MB": the most memory that it takes beside the program.
void check_it(benchmark::State& state) {
  const auto machine = switched(static_cast<int>(state.range(0)));
  const auto program = [&] {
    const auto schedule = ring_reduce_scatter(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
    return *lower(schedule, *verify(machine, schedule), {.elements = (1 << 24) + state.range(2)}, {});
  }();
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak counts from here
  const auto before = memory_of("VmRSS");
  for (auto _ : state) {
    if (!check(machine, program)) state.SkipWithError("not proved");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(program.instructions.size()) * state.iterations());
  state.counters["MB"] = memory_of("VmHWM") - before;
}

// Arguments: ranks, pieces, elements more than chunks of one size.
void programs(benchmark::internal::Benchmark* all) {
  all->Args({8, 4, 0})->Args({64, 4, 0})->Args({64, 4, 1})->Args({256, 16, 0})->Args({256, 16, 1});
}

// 8 ranks; 64 ranks; a million steps on 256 ranks.
BENCHMARK(plan)->Apply(planners_of_all_reduce)->Unit(benchmark::kMillisecond);
BENCHMARK(build)->Args({8, 4})->Args({64, 4})->Args({256, 16})->Unit(benchmark::kMillisecond);
BENCHMARK(prove)->Args({8, 4})->Args({64, 4})->Args({256, 16})->Unit(benchmark::kMillisecond);
BENCHMARK(lower_it)->Name("lower")->Apply(programs)->Unit(benchmark::kMillisecond);
BENCHMARK(check_it)->Name("check")->Apply(programs)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace p2plab
