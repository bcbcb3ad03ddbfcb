#include "p2plab/setting.h"

#include "p2plab/simulate.h"

namespace p2plab {

Setting make_setting(const Topology& topology, const Profile& profile) {
  Routes routes(topology);
  auto predict = [topology, routes, profile](const Program& program) -> Result<Seconds> {
    auto result = simulate(topology, routes, program, profile);
    if (!result) return std::move(result).error();
    return to_seconds(result->makespan);
  };
  return Setting{topology, std::move(routes), std::move(predict)};
}

}  // namespace p2plab
