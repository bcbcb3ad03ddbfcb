// Transfers simulated per second: 1024-rank ring, 256-rank direct, and the what-if of a planner's inner loop on 8 GPUs.
#include <benchmark/benchmark.h>

#include "p2plab/simulate.h"

namespace p2plab {
namespace {

Topology switched(int gpus) {
  Topology::Builder builder("switched");
  const auto fabric = builder.add_node({.name = "switch", .kind = NodeKind::nvswitch});
  for (int i = 0; i < gpus; ++i) builder.add_duplex(builder.add_node({.name = "gpu" + std::to_string(i)}), fabric, LinkKind::nvlink, GBps(400), Seconds{9e-7});
  return *std::move(builder).build();
}

Program empty_program(int ranks, Bytes slice) {
  Program program;
  program.collective = make_collective(CollectiveKind::all_reduce, ranks);
  program.tuning.slice = slice;
  program.memory.resize(static_cast<std::size_t>(ranks));
  return program;
}

// What a ring all-reduce lowers to: 2 (n - 1) sends a rank, each waiting for the one that brought its data.
Program ring(int ranks, std::int64_t bytes, Bytes slice) {
  auto program = empty_program(ranks, slice);
  const auto piece = bytes / ranks;
  const int rounds = 2 * (ranks - 1);
  for (int r = 0; r < ranks; ++r) {
    program.lanes.push_back({Rank{r}, static_cast<std::uint32_t>(program.instructions.size()), static_cast<std::uint32_t>(rounds)});
    for (int k = 0; k < rounds; ++k) {
      const auto place = std::int64_t{(r - k + rounds) % ranks} * piece;
      const bool adds = k > 0 && k < ranks;
      program.instructions.push_back({.step = StepId{k * ranks + r},
                                      .bytes = piece,
                                      .operands = static_cast<std::uint32_t>(program.operands.size()),
                                      .sources = static_cast<std::uint16_t>(adds ? 2 : 1),
                                      .destinations = 1,
                                      .waits = static_cast<std::uint32_t>(program.waits.size()),
                                      .wait_count = static_cast<std::uint16_t>(k > 0 ? 1 : 0)});
      if (adds) program.operands.push_back({Rank{r}, Buffer::scratch, default_route, place});
      program.operands.push_back({Rank{r}, Buffer::input, default_route, place});
      program.operands.push_back({Rank{(r + 1) % ranks}, Buffer::scratch, default_route, place});
      if (k > 0) program.waits.push_back({LaneId{(r + ranks - 1) % ranks}, k - 1});
    }
  }
  return program;
}

// Every rank sends a shard to every other, then the sum to every other; one lane per pair.
Program direct(int ranks, std::int64_t bytes, Bytes slice) {
  auto program = empty_program(ranks, slice);
  const auto piece = bytes / ranks;
  for (int r = 0; r < ranks; ++r) {
    for (int d = 1; d < ranks; ++d) {
      program.lanes.push_back({Rank{r}, static_cast<std::uint32_t>(program.instructions.size()), 2});
      for (int k = 0; k < 2; ++k) {
        program.instructions.push_back({.step = StepId{(k * ranks + r) * ranks + d},
                                        .bytes = piece,
                                        .operands = static_cast<std::uint32_t>(program.operands.size()),
                                        .sources = 1,
                                        .destinations = 1,
                                        .waits = static_cast<std::uint32_t>(program.waits.size()),
                                        .wait_count = static_cast<std::uint16_t>(k * (ranks - 1))});
        program.operands.push_back({Rank{r}, Buffer::input, default_route, 0});
        program.operands.push_back({Rank{(r + d) % ranks}, Buffer::scratch, default_route, r * piece});
        for (int from = 1; k == 1 && from < ranks; ++from) program.waits.push_back({LaneId{((r + from) % ranks) * (ranks - 1) + ranks - from - 1}, 0});
      }
    }
  }
  return program;
}

void time_it(benchmark::State& state, const Program& program) {
  const auto machine = switched(program.ranks());
  const Routes routes(machine);
  std::int64_t transfers = 0;
  double simulated = 0;
  for (auto _ : state) {
    const auto result = simulate(machine, routes, program, Profile{});
    if (!result) {
      state.SkipWithError(result.error().message.c_str());
      return;
    }
    transfers += result->transfers;
    simulated = to_seconds(result->makespan).count() * 1e6;
  }
  state.SetItemsProcessed(transfers);   // items_per_second: transfers per second
  state.counters["simulated_us"] = simulated;
}

void ring_1024(benchmark::State& state) { time_it(state, ring(1024, 1 << 20, Bytes{0})); }
void direct_256(benchmark::State& state) { time_it(state, direct(256, 1 << 20, Bytes{0})); }
void what_if_8_ring(benchmark::State& state) { time_it(state, ring(8, 1 << 24, 256_KiB)); }
void what_if_8_direct(benchmark::State& state) { time_it(state, direct(8, 1 << 24, 256_KiB)); }

BENCHMARK(ring_1024)->Unit(benchmark::kMillisecond);
BENCHMARK(direct_256)->Unit(benchmark::kMillisecond);
BENCHMARK(what_if_8_ring)->Unit(benchmark::kMicrosecond);
BENCHMARK(what_if_8_direct)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace p2plab
