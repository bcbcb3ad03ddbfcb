// SPDX-License-Identifier: Apache-2.0
// Exact max-min fair sharing of resources among flows, as they come and go.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace p2plab {

/// Flows that drain over several resources at once. No flow can be given more without taking from one that has no more. What changes touches only
/// flows that share a resource with it, directly or through others.
class FairShare {
 public:
  struct Drain {
    std::uint32_t flow = 0;
    std::uint32_t version = 0;  // of the flow's rate: a later one makes this void
    std::int64_t time = 0;
  };

  /// Capacities in bytes per second.
  explicit FairShare(std::vector<double> capacities);

  /// A flow of `bytes` over `resources` from time `now` (picoseconds) on; its number may be that of one that has ended. It takes twice its rate of
  /// what it passes twice, as a budget that the links into and out of a switch share.
  std::uint32_t add(std::int64_t now, double bytes, std::span<const std::uint32_t> resources);
  void remove(std::uint32_t flow);
  bool valid(const Drain& drain) const { return flows_[drain.flow].active && flows_[drain.flow].version == drain.version; }

  /// After adding and removing: shares out anew, and gives the time at which each flow whose rate changed will have drained.
  void solve(std::int64_t now, std::vector<Drain>& drains);

 private:
  struct Flow {
    double rest = 0;  // bytes at `since`
    double rate = 0;  // bytes per picosecond
    std::int64_t since = 0;
    std::uint32_t version = 0;
    bool active = false;
    bool gathered = false;
    std::vector<std::uint32_t> resources;
  };
  struct Shared {
    double capacity = 0;     // bytes per picosecond
    double left = 0;         // while sharing out
    std::uint32_t open = 0;  // flows without a rate yet
    bool gathered = false;
    std::vector<std::uint32_t> flows;  // each as often as it passes here
  };

  void gather();
  void share_out(std::int64_t now, std::vector<Drain>& drains);
  void settle_rate(std::uint32_t flow, double rate, std::int64_t now, std::vector<Drain>& drains);

  std::vector<Flow> flows_;
  std::vector<Shared> shared_;
  std::vector<std::uint32_t> unused_;
  std::vector<std::uint32_t> changed_;    // resources
  std::vector<std::uint32_t> component_;  // resources, then what `gather` added
};

}  // namespace p2plab
