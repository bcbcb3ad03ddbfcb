// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/collective_floor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "floors/delays.h"
#include "floors/hop_costs.h"
#include "floors/parted.h"
#include "p2plab/detail/named.h"
#include "p2plab/program/packet_wire.h"

namespace p2plab {

namespace {

constexpr double rounded = 1e-6;         // of rates and times in the model, at most
constexpr std::size_t most_looks = 4e6;  // at links, for the ways of all senders; else a few tell
constexpr double microsecond = 1e-6;

constexpr std::array kinds{Named{"pushed", ProgramKind::pushed},   Named{"inside", ProgramKind::inside}, Named{"slices", ProgramKind::slices},
                           Named{"packets", ProgramKind::packets}, Named{"polled", ProgramKind::polled}, Named{"copies", ProgramKind::copies}};

class Floors {
 public:
  Floors(const Topology& topology, const Collective& collective, const Bound& bound, const Payload& payload)
      : topology_(topology), collective_(collective), bound_(bound), payload_(payload) {
    std::vector<bool> gives(static_cast<std::size_t>(topology.ranks())), gets(gives);
    const auto blocks = contract(collective, topology.ranks());
    for (const auto& block : blocks ? *blocks : std::vector<Block>{}) {
      for (const auto rank : block.contributors) gives[rank.index()] = gives[rank.index()] || block.share > 0;
      for (const auto rank : block.receivers) gets[rank.index()] = gets[rank.index()] || block.share > 0;
    }
    for (std::size_t r = 0; r < gives.size(); ++r) {
      const auto node = topology.node_of(Rank{static_cast<std::int64_t>(r)});
      if (gives[r]) senders_.push_back(node);
      if (gets[r]) receivers_.push_back(node);
      ranks_.push_back(static_cast<int>(r));
    }
    const bool everyone = collective.members.size() == ranks_.size() && collective.silent.empty() && collective.shares.empty();
    if (everyone) partitions_ = partitions(topology);
    nearest_ = NearestGpus(topology, ranks_).apart();
    only_links_ =
        std::ranges::all_of(topology.limits(), [](const auto& limit) { return limit.kind == MachineLimit::Kind::link; }) && collective.shares.empty();
  }

  KindFloor of(const HopCosts& costs) const {
    const double stop = costs.signal + costs.step;
    const double turn = costs.loads ? std::min(stop, costs.request * nearest_) : stop;  // at a GPU between two hops
    const auto in = delays(topology_, senders_, Towards::from_them, turn);
    const auto out = delays(topology_, receivers_, Towards::to_them, turn);
    KindFloor best{costs.kind, Seconds{0}, {}};
    const auto take = [&](double time, std::string because) {
      if (time * (1 - rounded) > best.time.count()) best = {costs.kind, Seconds{time * (1 - rounded)}, std::move(because)};
    };
    const double way = longest_way(turn);
    take(costs.start + costs.step + way + costs.end,
         fmt::format("{:.2f} us of links and steps lie between the two that are farthest apart", way / microsecond));
    const auto [bytes, leads] = through_bound(costs, in, out);
    take(bytes + leads,
         fmt::format("{:.2f} us of bytes pass the bound's links, no sooner and no later than {:.2f} us of launch, steps and ways allow",
                     bytes / microsecond, leads / microsecond));
    for (const auto& parts : partitions_) {
      const bool pushed_into = costs.kind == ProgramKind::inside && &parts == &partitions_.front();
      const auto hops = pushed_into ? hops_pushed_into(parts, costs) : hops_into(parts, costs);
      take(parted_floor(parts, collective_.kind, whole_bytes(), hops), into_parts(parts, hops));
      if (collective_.kind == CollectiveKind::broadcast || collective_.kind == CollectiveKind::reduce) {
        const auto [time, relay] = at_the_root(parts, costs, hops);
        take(time, fmt::format("what passes the ways of the root's part of {} within {:.2f} us of the {} serves one other part only", parts.count,
                               relay / microsecond, collective_.kind == CollectiveKind::reduce ? "beginning" : "end"));
      }
    }
    return best;
  }

 private:
  // Blocks are whole elements.
  std::int64_t whole() const {
    const auto members = std::max<std::int64_t>(1, std::ssize(collective_.members));
    return sharded(collective_.kind) ? payload_.elements - payload_.elements % members : payload_.elements;
  }
  double whole_bytes() const { return static_cast<double>(whole()) * size_of(payload_.type); }

  // The least way between the two that are farthest apart, of all senders or of a few.
  double longest_way(double turn) const {
    const auto ranks = static_cast<std::size_t>(topology_.ranks());
    const auto senders = senders_.size() == ranks && receivers_.size() == ranks ? unlike_gpus(topology_) : senders_;
    const auto all = senders.size() * topology_.links().size() <= most_looks;
    constexpr std::size_t few = 4;
    const auto every = all ? 1 : std::max<std::size_t>(1, senders.size() / few);
    double longest = 0;
    for (std::size_t s = 0; s < senders.size(); s += every) {
      const auto ways = delays(topology_, std::span{senders}.subspan(s, 1), Towards::from_them, turn);
      for (const auto receiver : receivers_) {
        const auto way = ways[receiver.index()];
        // In gather, scatter and all-to-all some only get from others; which, the bound's own latency says.
        if (std::isfinite(way) && each_to_each()) longest = std::max(longest, way);
      }
    }
    return std::max(longest, bound_.latency.count());
  }
  bool each_to_each() const {
    using enum CollectiveKind;
    return collective_.kind != send_receive && collective_.kind != gather && collective_.kind != scatter && collective_.kind != all_to_all;
  }

  // Seconds of bytes at the links that prove the bound, and of all that comes before and after at least.
  std::pair<double, double> through_bound(const HopCosts& costs, std::span<const double> in, std::span<const double> out) const {
    auto plain = bound_;
    plain.latency = plain.cut_latency = Seconds{0};
    auto payload = payload_;
    if (only_links_) payload.elements = static_cast<std::int64_t>(static_cast<double>(whole()) / costs.rate);
    const auto bytes = lower_bound(plain, payload).count();
    std::vector<bool> inside(topology_.nodes().size());
    for (const auto node : bound_.cut) inside[node.index()] = true;
    const auto crosses = [&](const Link& link) {
      if (!bound_.cut.empty()) return inside[link.from.index()] != inside[link.to.index()];
      return bound_.part.empty() || bound_.part[link.from.index()] != bound_.part[link.to.index()];
    };
    double leads = std::numeric_limits<double>::infinity();
    for (const auto& link : topology_.links()) {
      if (crosses(link)) leads = std::min(leads, in[link.from.index()] + link.latency.count() + out[link.to.index()]);
    }
    if (!std::isfinite(leads) || bytes <= 0) return {0, 0};
    return {bytes, costs.start + first_step(costs, nearest_) + leads + costs.end};
  }

  // Before data is on its way: a load's request may be quicker than a store's step.
  static double first_step(const HopCosts& costs, double way) { return costs.loads ? std::min(costs.step, costs.request * way) : costs.step; }

  // A byte leaves the root's part early enough for another part to pass it on, or once for each other part; a sum enters it late enough to hold
  // several parts' data, or once for each. The time of that, and how long passing on takes.
  std::pair<double, double> at_the_root(const Parts& parts, const HopCosts& costs, const HopTimes& hops) const {
    const bool adds = collective_.kind == CollectiveKind::reduce;
    const auto home = parts.of[topology_.node_of(collective_.root).index()];
    double capacity = 0;
    for (const auto& link : topology_.links()) {
      const auto within = parts.of[(adds ? link.to : link.from).index()];
      const auto beyond = parts.of[(adds ? link.from : link.to).index()];
      if (within == home && beyond != home) capacity += static_cast<double>(link.bandwidth.bytes_per_second());
    }
    if (capacity <= 0) return {0, 0};
    const double relay = adds ? hops.relay_in : hops.relay_out;
    const double others = parts.count - 1;
    const double once = whole_bytes() / (capacity * costs.rate);
    const double bytes = std::min(others * once, once + relay * (1 - 1 / others));
    return {costs.start + first_step(costs, parts.near) + parts.near + bytes + costs.end, relay};
  }

  HopTimes hops_into(const Parts& parts, const HopCosts& costs) const {
    const double stop = costs.signal + costs.step;
    const auto turn = [&](double way) {
      return costs.loads ? std::min({stop, costs.request * way, costs.signal + costs.request * parts.near}) : stop;
    };
    const double onward = costs.loads ? costs.step : stop;  // what was loaded is stored by the same step
    return {.begin = costs.start + first_step(costs, parts.near) + parts.before,
            .end = parts.after + costs.end,
            .gather = nearest_ + turn(nearest_),
            .spread = nearest_ + onward,
            .relay_in = parts.near + turn(parts.near),
            .relay_out = parts.near + onward,
            .rate = costs.rate};
  }

  // Ranks read inside parts only: what enters one is stored there, and flagged.
  HopTimes hops_pushed_into(const Parts& parts, const HopCosts& costs) const {
    const double stop = costs.signal + costs.step;
    return {.begin = costs.start + costs.step + parts.before,
            .end = parts.after + costs.end,
            .gather = nearest_ + std::min(stop, costs.request * nearest_),
            .spread = nearest_ + costs.signal + first_step(costs, nearest_),
            .relay_in = parts.near + stop,
            .relay_out = parts.near + stop,
            .rate = costs.rate};
  }

  std::string into_parts(const Parts& parts, const HopTimes& hops) const {
    return fmt::format(
        "what must enter {} parts of {} GPUs or more passes from {:.2f} us on; within {:.2f} us it holds one GPU's data, {:.2f} us before "
        "the end it serves one GPU, and sums of several parts pass {:.2f} us later",
        parts.count, parts.fewest, hops.begin / microsecond, hops.gather / microsecond, (hops.end + hops.spread) / microsecond,
        hops.relay_in / microsecond);
  }

  const Topology& topology_;
  const Collective& collective_;
  const Bound& bound_;
  const Payload& payload_;
  std::vector<NodeId> senders_;
  std::vector<NodeId> receivers_;
  std::vector<int> ranks_;
  std::vector<Parts> partitions_;
  double nearest_ = 0;  // the least delay between two GPUs
  bool only_links_ = false;
};

}  // namespace

std::string_view to_string(ProgramKind kind) { return to_name<ProgramKind>(kind, kinds); }

std::string_view what_is(ProgramKind kind) {
  if (kind == ProgramKind::pushed) return "slices that are only pushed";
  if (kind == ProgramKind::inside) return "slices that are read inside servers only";
  if (kind == ProgramKind::polled) return "slices that are polled";
  return kind == ProgramKind::copies ? "copy engines" : to_string(kind);
}

ProgramKind kind_of(const Topology& topology, const Program& program) {
  if (program.packets) return ProgramKind::packets;
  if (program.tuning.protocol == Protocol::copy) return ProgramKind::copies;
  if (!in_slices(program.tuning.protocol)) return ProgramKind::polled;
  const auto parts = coarsest_parts(topology);
  auto kind = ProgramKind::pushed;
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      for (const auto& source : program.sources(program.instructions[i])) {
        if (source.rank == lane.rank && source.buffer != Buffer::host) continue;
        const bool inside = source.buffer != Buffer::host && !parts.empty() && parts[source.rank.index()] == parts[lane.rank.index()];
        if (!inside) return ProgramKind::slices;
        kind = ProgramKind::inside;
      }
    }
  }
  return kind;
}

std::vector<KindFloor> collective_floors(const Topology& topology, const Collective& collective, const Bound& bound, const Payload& payload,
                                         const Profile& profile) {
  if (lower_bound(bound, payload) <= Seconds{0}) return {};
  const Floors floors(topology, collective, bound, payload);
  std::vector<KindFloor> all;
  for (const auto& costs : hop_costs(topology, collective.kind, payload, profile)) all.push_back(floors.of(costs));
  return all;
}

const KindFloor* least_floor(const std::vector<KindFloor>& floors) {
  const auto least = std::ranges::min_element(floors, {}, &KindFloor::time);
  return least == floors.end() ? nullptr : &*least;
}

const KindFloor* floor_of(const std::vector<KindFloor>& floors, ProgramKind kind) {
  const auto found = std::ranges::find(floors, kind, &KindFloor::kind);
  return found == floors.end() ? nullptr : &*found;
}

}  // namespace p2plab
