// SPDX-License-Identifier: Apache-2.0
// SimGrid's flow-level model (CM02, factors 1, full updates) on the machine and traffic of simulator_bench.cpp, in the same run, and whether both say
// the same to a nanosecond. One simulation each: SimGrid has one engine a process, so all lie one after another in its simulated time.
#include <benchmark/benchmark.h>

#include <simgrid/s4u.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "p2plab/simulator/simulate.h"
#include "support/simgrid_switch.h"
#include "switched.h"

namespace p2plab {
namespace {

namespace sg = simgrid::s4u;

constexpr int most_ranks = 1024;

void send_around(int ranks, int rank, std::uint64_t piece) {
  const auto server = [&](int r) { return sg::Mailbox::by_name(std::to_string(ranks) + "." + std::to_string(r)); };
  int token = 0;
  for (int k = 0; k < 2 * (ranks - 1); ++k) {
    auto sent = server((rank + 1) % ranks)->put_async(&token, piece);
    server(rank)->get<int>();
    sent->wait();
  }
}

test::SimGridSwitch& platform() {
  static test::SimGridSwitch only(most_ranks, bench::gbps * 1e9, bench::latency.count());
  return only;
}

// SimGrid's time since `begin`; an error if it is not what the simulator says of this pattern.
void compare(benchmark::State& state, double begin, const Pattern& pattern) {
  const auto theirs = sg::Engine::get_clock() - begin;
  const auto ours = simulate(bench::switched(pattern.ranks()), bench::over_switch, pattern, Profile{});
  constexpr double one_ns = 1e-9;
  if (!ours || std::abs(to_seconds(ours->makespan).count() - theirs) > one_ns) state.SkipWithError("SimGrid and p2plab differ by more than 1 ns");
  state.counters["simulated_us"] = theirs * 1e6;
}

void simgrid_ring(benchmark::State& state) {
  const auto ranks = static_cast<int>(state.range(0));
  platform();  // before the clock starts
  for (auto _ : state) {
    const auto begin = sg::Engine::get_clock();
    for (int r = 0; r < ranks; ++r)
      sg::Actor::create("rank", platform().host(r), [ranks, r] { send_around(ranks, r, static_cast<std::uint64_t>((1 << 20) / ranks)); });
    platform().run();
    compare(state, begin, ring_pattern(ranks, 1_MiB));
  }
  state.SetItemsProcessed(std::int64_t{ranks} * 2 * (ranks - 1));
}

void simgrid_all_to_all(benchmark::State& state) {
  const auto ranks = static_cast<int>(state.range(0));
  platform();  // before the clock starts
  for (auto _ : state) {
    const auto begin = sg::Engine::get_clock();
    sg::Actor::create("controller", platform().host(0), [ranks] {
      std::vector<sg::CommPtr> comms;
      for (int from = 0; from < ranks; ++from) {
        for (int k = 1; k < ranks; ++k) {
          comms.push_back(
              sg::Comm::sendto_async(platform().host(from), platform().host((from + k) % ranks), static_cast<std::uint64_t>((1 << 20) / ranks)));
        }
      }
      for (const auto& comm : comms) comm->wait();
    });
    platform().run();
    compare(state, begin, all_to_all_pattern(ranks, 1_MiB));
  }
  state.SetItemsProcessed(std::int64_t{ranks} * (ranks - 1));
}

BENCHMARK(simgrid_ring)->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(simgrid_all_to_all)->Arg(128)->Arg(256)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace p2plab
