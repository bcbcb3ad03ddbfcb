// SPDX-License-Identifier: Apache-2.0
// SimGrid's flow-level model (CM02, factors 1, full updates) of hosts on one switch, each with a link up and a link down.
#pragma once

#include <simgrid/s4u.hpp>

#include <memory>
#include <string>
#include <vector>

namespace p2plab::test {

/// One for the whole process: SimGrid has one engine a process, and its settings cannot be made twice.
class SimGridSwitch {
 public:
  /// `rate` in bytes per second, `latency` of each link in seconds.
  SimGridSwitch(int ranks, double rate, double latency) {
    namespace sg = simgrid::s4u;
    int argc = 1;
    std::string name = "p2plab";
    char* argv[] = {name.data(), nullptr};
    engine_ = std::make_unique<sg::Engine>(&argc, argv);
    for (const auto* setting : {"network/model:CM02", "network/bandwidth-factor:1", "network/latency-factor:1", "network/optim:Full",
                                "network/TCP-gamma:0", "network/crosstraffic:0", "network/weight-S:0", "contexts/stack-size:64"}) {
      sg::Engine::set_config(std::string{setting});
    }
    auto* zone = sg::create_star_zone("switch");
    for (int i = 0; i < ranks; ++i) {
      auto* host = zone->create_host("host" + std::to_string(i), 1e9);
      const auto* up = zone->create_link("up" + std::to_string(i), rate)->set_latency(latency)->seal();
      const auto* down = zone->create_link("down" + std::to_string(i), rate)->set_latency(latency)->seal();
      zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, {sg::LinkInRoute(up)}, false);
      zone->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, {sg::LinkInRoute(down)}, false);
      hosts_.push_back(host);
    }
    zone->seal();
  }

  simgrid::s4u::Host* host(int i) const { return hosts_[static_cast<std::size_t>(i)]; }
  void run() { engine_->run(); }

 private:
  std::unique_ptr<simgrid::s4u::Engine> engine_;
  std::vector<simgrid::s4u::Host*> hosts_;
};

}  // namespace p2plab::test
