// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/slices_floor.h"

#include <algorithm>
#include <vector>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/layout.h"

namespace p2plab {

namespace {

constexpr int most_ranks = 2048;        // of which every pair's latency is kept
constexpr float rounded_down = 0.999F;  // sums of single precision

class Chains {
 public:
  // Input and output count as two places: where they are one, more steps have to wait.
  Chains(const Topology& topology, const Schedule& schedule, const Profile& profile)
      : topology_(topology),
        routes_(topology.routes()),
        schedule_(schedule),
        flag_(static_cast<float>((profile.fence + profile.signal_peer).count())),
        loop_(static_cast<float>(profile.slice_cost.count())),
        index_(schedule, false),
        values_(index_.size()),
        latencies_(static_cast<std::size_t>(schedule.ranks()) * static_cast<std::size_t>(schedule.ranks()), unknown) {}

  float longest() {
    float most = 0;
    for (std::size_t i = 0; i < schedule_.base_step_count(); ++i)
      most = std::max(most, visit(schedule_.base_step(StepId{static_cast<std::int64_t>(i)})));
    return most;
  }

 private:
  static constexpr float unknown = -1;
  struct Value {
    float time = 0;
    Rank writer{-1};  // none: there from the beginning
  };

  float visit(const Step& step) {
    float start = 0;
    float loads = 0;
    float stores = 0;
    bool remote = false;
    const auto go = [&](const Location& there, std::size_t operand, float& time) {
      if (there.rank == step.executor) return;
      remote = true;
      if (there.buffer == Buffer::host) return;  // by another way
      const bool named = !step.routes.empty() && step.routes[operand] != default_route;
      const bool reads = operand < step.sources.size();
      const auto from = reads ? there.rank : step.executor;
      const auto to = reads ? step.executor : there.rank;
      time = std::max(time, named ? along(schedule_.route(step.routes[operand])) : between(from, to));
    };
    for (std::size_t s = 0; s < step.sources.size(); ++s) {
      const auto& value = values_[index_(step.sources[s])];
      start = std::max(start, value.time + (value.writer.value < 0 || value.writer == step.executor ? 0 : flag_));
      go(step.sources[s], s, loads);
    }
    for (std::size_t d = 0; d < step.destinations.size(); ++d) go(step.destinations[d], step.sources.size() + d, stores);
    // A step that stays on its rank may be none.
    const auto end = start + (remote ? loads + loop_ + stores : 0);
    for (const auto& destination : step.destinations) values_[index_(destination)] = {end, step.executor};
    return end;
  }

  float along(std::span<const LinkId> links) const {
    Seconds sum{0};
    for (const auto link : links) sum += topology_.link(link).latency;
    return static_cast<float>(sum.count());
  }

  float between(Rank from, Rank to) {
    auto& known = latencies_[from.index() * static_cast<std::size_t>(schedule_.ranks()) + to.index()];
    if (known == unknown) known = along(routes_.between(from, to));
    return known;
  }

  const Topology& topology_;
  const Routes& routes_;
  const Schedule& schedule_;
  float flag_;
  float loop_;
  LocationIndex index_;
  std::vector<Value> values_;
  std::vector<float> latencies_;  // by pair of ranks
};

}  // namespace

Seconds slices_floor(const Topology& topology, const Schedule& schedule, const Payload& payload, const Profile& profile) {
  const auto extents = cut(schedule, payload);
  const bool empty = std::ranges::any_of(extents, [](const ChunkExtent& extent) { return extent.count == 0; });
  if (empty || schedule.folding().folded() || schedule.ranks() > most_ranks) return Seconds{0};
  return profile.launch + Seconds{rounded_down * Chains{topology, schedule, profile}.longest()};
}

}  // namespace p2plab
