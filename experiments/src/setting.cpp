#include "p2plab/setting.h"

#include <algorithm>

namespace p2plab {

Setting make_setting(const Topology& topology, const Profile& profile, SimEngine engine) {
  Routes routes(topology);
  const auto model = [&](const Profile& costs) {
    return [topology, routes, costs, engine](const Program& program) -> Result<Seconds> {
      auto result = simulate(topology, routes, program, costs, {.engine = engine});
      if (!result) return std::move(result).error();
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
