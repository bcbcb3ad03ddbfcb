// SPDX-License-Identifier: Apache-2.0
// Transfers simulated per second: programs of 1024-rank rings and 256-rank direct exchanges, patterns of up to 10,000 GPUs, and the what-if of a
// planner's inner loop on 8 GPUs. Where SimGrid is installed, simgrid_bench.cpp adds its rows.
#include <benchmark/benchmark.h>

#include "p2plab/simulator/simulate.h"
#include "switched.h"

namespace p2plab {
namespace {

using bench::over_switch;
using bench::switched;

constexpr int server = 8;

Topology servers(int count) {
  Topology::Builder builder("servers");
  const auto network = builder.add_node({.name = "net", .kind = NodeKind::network_switch});
  for (int b = 0; b < count; ++b) {
    const auto hub = builder.add_node({.name = "sw" + std::to_string(b), .kind = NodeKind::nvswitch});
    for (int i = b * server; i < (b + 1) * server; ++i) {
      const auto gpu = builder.add_node({.name = "gpu" + std::to_string(i)});
      const auto nic = builder.add_node({.name = "nic" + std::to_string(i), .kind = NodeKind::nic});
      builder.add_duplex(gpu, hub, LinkKind::nvlink, GBps(450), Seconds{500e-9});
      builder.add_duplex(gpu, nic, LinkKind::pcie, GBps(64), Seconds{500e-9});
      builder.add_duplex(nic, network, LinkKind::network, GBps(50), Seconds{1e-6});
    }
  }
  return *std::move(builder).build();
}

std::vector<LinkId> over_servers(Rank from, Rank to) {
  const auto link = [](Rank gpu, int which) { return LinkId{6 * gpu.value + which}; };
  if (from.value / server == to.value / server) return {link(from, 0), link(to, 1)};
  return {link(from, 2), link(from, 4), link(to, 5), link(to, 3)};
}

template <class Simulate>
void time_it(benchmark::State& state, Simulate simulate_once) {
  std::int64_t transfers = 0;
  double simulated = 0;
  for (auto _ : state) {
    const Result<SimResult> result = simulate_once();
    if (!result) {
      state.SkipWithError(result.error().message.c_str());
      return;
    }
    transfers += result->transfers;
    simulated = to_seconds(result->makespan).count() * 1e6;
  }
  state.SetItemsProcessed(transfers);  // items_per_second: transfers per second
  state.counters["simulated_us"] = simulated;
}

// The program written out, all ranks of it simulated.
void time_program(benchmark::State& state, const Pattern& pattern) {
  const auto machine = switched(pattern.ranks());
  const auto program = unfold(pattern);
  time_it(state, [&] { return simulate(machine, program, Profile{}); });
}

void time_pattern(benchmark::State& state, const Topology& machine, const PathOf& path_of, const Pattern& pattern, const SimOptions& options) {
  time_it(state, [&] { return simulate(machine, path_of, pattern, Profile{}, options); });
}

void ring_1024(benchmark::State& state) { time_program(state, ring_pattern(1024, 1_MiB)); }
void all_to_all_256(benchmark::State& state) { time_program(state, all_to_all_pattern(256, 1_MiB)); }
void what_if_8_ring(benchmark::State& state) { time_program(state, ring_pattern(8, 16_MiB, {.slice = 256_KiB})); }
void what_if_8_all_to_all(benchmark::State& state) { time_program(state, all_to_all_pattern(8, 16_MiB, {.slice = 256_KiB})); }
void ring_4096_all_ranks(benchmark::State& state) { time_pattern(state, switched(4096), over_switch, ring_pattern(4096, 16_MiB), {.fold = false}); }
void ring_4096_folded(benchmark::State& state) { time_pattern(state, switched(4096), over_switch, ring_pattern(4096, 16_MiB), {}); }
void hierarchical_10000_folded(benchmark::State& state) {
  time_pattern(state, servers(1250), over_servers, hierarchical_pattern(1250, server, 64_MiB), {});
}

// The same, where it is known that a twentieth more than the busiest link's time is too long: until that is certain.
void all_to_all_256_given_up(benchmark::State& state) {
  const auto machine = switched(256);
  const auto program = unfold(all_to_all_pattern(256, 1_MiB));
  const auto bound = simulate(machine, program, Profile{}, {.engine = SimEngine::path});
  if (!bound) return state.SkipWithError(bound.error().message.c_str());
  const SimTime useful{bound->bound.count() / 20 * 21};
  time_it(state, [&] { return simulate(machine, program, Profile{}, {.useful = useful}); });
}

BENCHMARK(ring_1024)->Unit(benchmark::kMillisecond);
BENCHMARK(all_to_all_256)->Unit(benchmark::kMillisecond);
BENCHMARK(all_to_all_256_given_up)->Unit(benchmark::kMillisecond);
BENCHMARK(what_if_8_ring)->Unit(benchmark::kMicrosecond);
BENCHMARK(what_if_8_all_to_all)->Unit(benchmark::kMicrosecond);
BENCHMARK(ring_4096_all_ranks)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(ring_4096_folded)->Unit(benchmark::kMillisecond);
BENCHMARK(hierarchical_10000_folded)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace p2plab
