// SPDX-License-Identifier: Apache-2.0
// Programs made and timed in one line, for tests of the simulator.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "machines.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/simulator/simulate.h"
#include "plans.h"

namespace p2plab::test {

inline Program lowered(const Topology& machine, const Schedule& schedule, Bytes size, const Tuning& tuning = {}) {
  const auto proof = verify(machine, schedule);
  expects(static_cast<bool>(proof));
  // Lamport packets carry sums of floating-point numbers only.
  const auto type = tuning.protocol == Protocol::lamport && size.count() % 2 == 0 ? DataType::float16 : DataType::int8;
  return *lower(schedule, *proof, {.elements = size.count() / size_of(type), .type = type}, tuning);
}

inline SimResult simulated(const Topology& machine, const Program& program, const Profile& profile = {}, const SimOptions& options = {}) {
  auto result = simulate(machine, program, profile, options);
  expects(static_cast<bool>(result));
  return *std::move(result);
}

inline SimTime makespan(const Topology& machine, const Program& program, const Profile& profile = {}) {
  return simulated(machine, program, profile).makespan;
}

/// Every cost that a profile may name is above zero in it.
inline Profile busy_profile() {
  return {.name = "busy",
          .launch = Seconds{2e-6},
          .start_skew = Seconds{1e-6},
          .signal_peer = Seconds{1e-6},
          .signal_local = Seconds{3e-7},
          .poll = Seconds{2e-7},
          .fence = Seconds{5e-7},
          .slice_cost = Seconds{1e-7},
          .store_rate = GBps(40),
          .load_rate = GBps(20),
          .reduce_rate = GBps(90),
          .memory_rate = GBps(2000),
          .outstanding = 3,
          .read_request = 1,
          .link_efficiency = 0.83};
}

/// A planner's program for `size` bytes.
inline Program planned(const Topology& machine, const std::string& planner, CollectiveKind kind, Bytes size, const Parameters& parameters = {},
                       const Tuning& tuning = {}) {
  const auto plan = plan_on(machine, planner, kind, parameters);
  expects(static_cast<bool>(plan));
  return lowered(machine, plan->schedule, size, tuning);
}

/// One block from each sender to its receiver, all at once; each pair in `channels` chunks on channels of their own.
inline Schedule pairs(int ranks, const std::vector<std::pair<Rank, Rank>>& who, int channels = 1) {
  auto collective = make_collective(CollectiveKind::send_receive, ranks);
  collective.pairs = who;
  auto builder = *Schedule::Builder::create(collective, ranks);
  for (std::size_t p = 0; p < who.size(); ++p) {
    for (int c = 0; c < channels; ++c) {
      const auto chunk = builder.add_chunk({static_cast<std::int32_t>(p), 1, c});
      builder.copy(who[p].first, input(who[p].first, chunk), output(who[p].second, chunk));
    }
  }
  return *std::move(builder).build();
}

/// A broadcast from rank 0 along 0, 1, ..., n-1, each rank pushing to the next.
inline Schedule chain(int n) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, n), n);
  const auto chunk = builder.add_chunk({});
  std::vector<Location> first{output(Rank{0}, chunk)};
  if (n > 1) first.push_back(output(Rank{1}, chunk));
  builder.add_step(Rank{0}, std::array{input(Rank{0}, chunk)}, first);
  for (int r = 1; r + 1 < n; ++r) builder.copy(Rank{r}, output(Rank{r}, chunk), output(Rank{r + 1}, chunk));
  return *std::move(builder).build();
}

/// `bytes` at `rate`, on the simulator's clock.
inline SimTime at_rate(std::int64_t bytes, double gbps) { return transfer_time(Bytes{bytes}, GBps(gbps)); }

inline constexpr SimTime one_us{1'000'000};

}  // namespace p2plab::test
