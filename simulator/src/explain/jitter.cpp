// SPDX-License-Identifier: Apache-2.0
// Times under jitter and stragglers. Draws are made from the generator's bits by hand: the library's distributions differ between platforms.
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <random>

#include <fmt/format.h>

#include "p2plab/simulator/machine_change.h"
#include "p2plab/simulator/sensitivity.h"

namespace p2plab {

namespace {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : bits_(seed) {}
  /// Above 0, at most 1.
  double uniform() { return (static_cast<double>(bits_() >> 11) + 1) * 0x1p-53; }
  double exponential() { return -std::log(uniform()); }
  double normal() {
    const auto radius = std::sqrt(2 * exponential());
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::mt19937_64 bits_;
};

Status check(const Spread& spread) {
  const auto bad = [](std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; };
  if (!(spread.link_jitter >= 0 && spread.link_jitter <= 2)) return bad(fmt::format("jitter must be from 0 to 2, found {}", spread.link_jitter));
  if (!(spread.straggler.count() >= 0 && spread.straggler.count() <= 1))
    return bad(fmt::format("a straggler's delay must be from 0 to 1 s, found {} s", spread.straggler.count()));
  if (!(spread.straggler_chance >= 0 && spread.straggler_chance <= 1))
    return bad(fmt::format("the chance of a straggler must be from 0 to 1, found {}", spread.straggler_chance));
  if (spread.samples < 1 || spread.samples > 1'000'000) return bad(fmt::format("samples must be from 1 to 1000000, found {}", spread.samples));
  return {};
}

// One factor for both directions of a pair of nodes: a link that is slow is slow both ways.
std::vector<double> draw_factors(const Topology& topology, double jitter, Draws& draws) {
  std::map<std::pair<NodeId, NodeId>, double> pairs;
  std::vector<double> factors;
  for (const auto& link : topology.links()) {
    const auto [at, fresh] = pairs.try_emplace({std::min(link.from, link.to), std::max(link.from, link.to)}, 1.0);
    if (fresh) at->second = std::exp(-jitter * draws.normal());
    factors.push_back(at->second);
  }
  return factors;
}

Seconds rank_of_order(const std::vector<Seconds>& sorted, double part) {
  const auto index = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(index, 1, sorted.size()) - 1];
}

}  // namespace

Result<JitterResult> simulate_jitter(const Topology& topology, const Program& program, const Profile& profile, const Spread& spread) {
  if (auto ok = check(spread); !ok) return std::move(ok).error();
  const auto steady = simulate(topology, program, profile);
  if (!steady) return steady.error();
  Draws draws(spread.seed);
  std::vector<Seconds> times;
  Seconds sum{0};
  for (int s = 0; s < spread.samples; ++s) {
    SimOptions options{.routes_of = &topology};
    for (int r = 0; r < topology.ranks(); ++r) {
      const bool late = spread.straggler.count() > 0 && draws.uniform() <= spread.straggler_chance;
      options.late.push_back(late ? to_sim_time(std::min(Seconds{1}, spread.straggler * draws.exponential())) : SimTime{0});
    }
    const auto machine = spread.link_jitter > 0 ? scale_links(topology, draw_factors(topology, spread.link_jitter, draws)) : topology;
    const auto result = simulate(machine, program, profile, options);
    if (!result) return result.error();
    times.push_back(to_seconds(result->makespan));
    sum += times.back();
  }
  std::ranges::sort(times);
  return JitterResult{.steady = to_seconds(steady->makespan),
                      .mean = sum / spread.samples,
                      .p50 = rank_of_order(times, 0.5),
                      .p90 = rank_of_order(times, 0.9),
                      .p99 = rank_of_order(times, 0.99),
                      .worst = times.back(),
                      .samples = spread.samples};
}

}  // namespace p2plab
