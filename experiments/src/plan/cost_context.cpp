// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/cost_context.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "p2plab/detail/digest.h"

namespace p2plab {

namespace {

// Times of programs that were simulated before: several planners make the same ring of a switch, and auto chooses a plan that was timed already.
class KnownTimes {
 public:
  std::optional<Seconds> find(std::uint64_t program) const {
    const std::lock_guard lock(mutex_);
    const auto found = times_.find(program);
    return found == times_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(std::uint64_t program, Seconds time) {
    const std::lock_guard lock(mutex_);
    times_.emplace(program, time);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Seconds> times_;
};

}  // namespace

Setting make_setting(const Topology& topology, const Profile& profile, SimEngine engine) {
  Routes routes(topology);
  const auto model = [&](const Profile& costs) {
    return [topology, routes, costs, engine, known = std::make_shared<KnownTimes>()](const Program& program) -> Result<Seconds> {
      const auto number = digest(program);
      if (const auto time = known->find(number)) return *time;
      auto result = simulate(topology, routes, program, costs, {.engine = engine});
      if (!result) return std::move(result).error();
      known->keep(number, to_seconds(result->makespan));
      return to_seconds(result->makespan);
    };
  };
  Setting setting{topology, routes, model(profile)};
  setting.least = [topology, routes, profile](const Program& program) -> Result<Seconds> {
    const auto result = simulate(topology, routes, program, profile, {.engine = SimEngine::path});
    if (!result) return result.error();
    SimTime busiest{0};
    for (const auto& use : result->uses) busiest = std::max(busiest, use.busy);
    return to_seconds(busiest);
  };
  if (profile.numbers.empty()) return setting;
  setting.interval = [fast = model(fastest(profile)), slow = model(slowest(profile))](const Program& program) -> Result<Interval> {
    const auto low = fast(program);
    if (!low) return low.error();
    const auto high = slow(program);
    if (!high) return high.error();
    return Interval{std::min(*low, *high), std::max(*low, *high)};
  };
  return setting;
}

}  // namespace p2plab
