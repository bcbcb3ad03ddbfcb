// SPDX-License-Identifier: Apache-2.0
// Ring: data goes around cycles through all members, each member adding its own and passing on. all_reduce cuts each ring's share into n pieces
// that go around twice, once to be summed, once to be handed out: 2(n-1) rounds, each link of the ring carries 2(n-1)/n of the share, which is
// optimal for bandwidth where the rings fill all links (Patarasuk and Yuan, 2009). reduce_scatter and all_gather are its halves (n-1 rounds,
// (n-1)/n). broadcast and reduce are chains whose slices follow each other: n-1 rounds, the share once over each link. The other collectives travel
// along the ring from sender to receiver, which brings them to receivers that no route reaches. Several rings run side by side: the largest
// fractional packing of directed Hamiltonian cycles into the machine's links (NCCL searches integral ones), each with its own channel and its share
// of the data.
#include <array>
#include <span>

#include <fmt/format.h>

#include "common/data_flow.h"
#include "common/estimate.h"
#include "ring/least_time.h"
#include "ring/ring_plan.h"
#include "ring/search.h"

namespace p2plab {

namespace {

// One ring of the plan; places count around it.
class NumberedRing {
 public:
  NumberedRing(Ring ring, int channel) : ring_(std::move(ring)), channel_(channel) {
    for (int p = 0; p < size(); ++p) {
      const auto rank = at(p).index();
      if (rank >= places_.size()) places_.resize(rank + 1);
      places_[rank] = p;
    }
  }

  int size() const { return static_cast<int>(ring_.order.size()); }
  Chunk piece(std::size_t block) const { return {static_cast<std::int32_t>(block), static_cast<std::uint32_t>(ring_.weight), channel_}; }
  Rank at(int place) const { return ring_.order[static_cast<std::size_t>(place % size())]; }
  int place_of(Rank rank) const { return places_[rank.index()]; }
  int hops(Rank from, Rank to) const { return (place_of(to) - place_of(from) + size()) % size(); }

  /// `hops` moves from `place` on, the first of them in `round`.
  void travel(std::vector<Move>& moves, ChunkId chunk, int place, int hops, int round) const {
    for (int k = 0; k < hops; ++k) moves.push_back({round + k, chunk, at(place + k), at(place + k + 1)});
  }

 private:
  Ring ring_;
  int channel_;
  std::vector<int> places_;  // by rank
};

std::vector<NumberedRing> numbered(std::vector<Ring> rings) {
  std::vector<NumberedRing> all;
  for (auto& ring : rings) all.emplace_back(std::move(ring), static_cast<int>(all.size()));
  return all;
}

// Has each block one sender and one receiver?
bool one_to_one(CollectiveKind kind) {
  using enum CollectiveKind;
  return kind == gather || kind == scatter || kind == all_to_all || kind == send_receive;
}

void twice_around(DataFlow& flow, std::vector<Move>& moves, const NumberedRing& ring) {
  const int hops = ring.size() - 1;
  for (int p = 0; p <= hops; ++p) {
    const auto chunk = flow.add_chunk(ring.piece(0));
    ring.travel(moves, chunk, p + 1, hops, 0);
    ring.travel(moves, chunk, p, hops, hops);
  }
}

// A share of each block goes around each ring: to its receiver being summed, or from its sender to everyone.
void around(DataFlow& flow, std::vector<Move>& moves, const Collective& collective, const NumberedRing& ring) {
  for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
    const auto chunk = flow.add_chunk(ring.piece(b));
    const auto& block = flow.blocks()[b];
    if (block.contributors.empty()) continue;
    const int start = reduces(collective.kind) ? ring.place_of(block.receivers[0]) + 1 : ring.place_of(block.contributors[0]);
    ring.travel(moves, chunk, start, ring.size() - 1, 0);
  }
}

// The ring that brings block b to its receiver in the fewest hops; equal ones take turns. None: nobody gives anything.
struct ShortestWay {
  std::size_t ring = 0;
  int hops = 0;
};
ShortestWay shortest_way(std::span<const Block> blocks, std::size_t b, const std::vector<NumberedRing>& all) {
  const auto& block = blocks[b];
  if (block.contributors.empty()) return {};
  ShortestWay best{0, all[0].size()};
  for (std::size_t t = 0; t < all.size(); ++t) {
    const auto ring = (b + t) % all.size();
    const int hops = all[ring].hops(block.contributors[0], block.receivers[0]);
    if (hops < best.hops) best = {ring, hops};
  }
  return best;
}

void one_way(DataFlow& flow, std::vector<Move>& moves, const std::vector<NumberedRing>& all) {
  for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
    const auto [ring, hops] = shortest_way(flow.blocks(), b, all);
    const auto chunk = flow.add_chunk(all[ring].piece(b));
    if (hops > 0) all[ring].travel(moves, chunk, all[ring].place_of(flow.blocks()[b].contributors[0]), hops, 0);
  }
}

class RingPlanner final : public Planner {
 public:
  // Only chains are cut by the payload: the others are cut into pieces that follow each other already.
  bool reads_payload(const Collective& collective, const Parameters&) const override { return is_chain(collective.kind); }
  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    if (context.payload.elements == 0) return std::nullopt;
    const auto rings = context.parameters.find("rings");
    const bool given = rings != context.parameters.end() && rings->second != "auto";
    const auto most = given ? integer_parameter(context.parameters, "rings", 1, 64) : Result<std::int64_t>{16};
    if (!most) return std::nullopt;
    const auto elements = context.payload.elements / std::max<std::int64_t>(1, std::ssize(collective.members));
    const auto block = static_cast<double>(elements * size_of(context.payload.type));
    return least_time_around(topology, collective, {static_cast<std::size_t>(*most), block});
  }
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("ring", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    static const std::array<std::string, 3> fabrics{"auto", "nvlink", "any"};
    auto fabric = word_parameter(*parameters, "fabric", fabrics);
    if (!fabric) return std::move(fabric).error();
    auto most = parameters->at("rings") == "auto" ? Result<std::int64_t>{0} : integer_parameter(*parameters, "rings", 1, 64);
    if (!most) return std::move(most).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const auto wanted = *fabric == "auto" ? RingFabric::automatic : (*fabric == "nvlink" ? RingFabric::nvlink : RingFabric::any);
    auto rings = find_rings(topology, collective.members, {wanted, static_cast<int>(*most)});
    if (!rings) return std::move(rings).error();
    if (const auto steps = steps_along(collective, flow->blocks(), *rings); steps > context.most_steps)
      return Error{ErrorCode::unsupported, fmt::format("ring would take {} steps, beyond the {} that are looked at", steps, context.most_steps)};
    auto reason = describe(*rings);
    if (rings->empty()) rings->push_back({.order = collective.members});
    auto plan = plan_along(*std::move(flow), collective, *std::move(rings), {"ring", *std::move(parameters), std::move(reason)});
    if (plan && is_chain(collective.kind)) suggest_slices(*plan, topology, context.payload.size());
    return plan;
  }

  static std::vector<ParameterInfo> known() {
    return {{"fabric", "nvlink: only GPU links; any: PCIe and networks too; auto: GPU links if they join all members", "auto"},
            {"rings", "the most rings side by side, 1 to 64; auto: as many as help on GPU links and networks, one on PCIe", "auto"}};
  }

 private:
  static bool is_chain(CollectiveKind kind) { return kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce; }
  // Of chains: 0.
  static std::size_t steps_along(const Collective& collective, std::span<const Block> blocks, const std::vector<Ring>& rings) {
    const auto members = collective.members.size();
    const auto around = rings.size() * members * (members - 1);
    if (collective.kind == CollectiveKind::all_reduce) return 2 * around;
    if (collective.kind == CollectiveKind::all_gather || collective.kind == CollectiveKind::reduce_scatter) return around;
    if (!one_to_one(collective.kind) || rings.empty()) return 0;
    const auto all = numbered(rings);
    std::size_t steps = 0;
    for (std::size_t b = 0; b < blocks.size(); ++b) steps += static_cast<std::size_t>(shortest_way(blocks, b, all).hops);
    return steps;
  }
  static std::string describe(const std::vector<Ring>& rings) {
    if (rings.empty()) return "one member needs no ring";
    double rate = 0;
    for (const auto& ring : rings) rate += ring.rate;
    std::string first;
    const auto& order = rings[0].order;
    constexpr std::size_t most_named = 32;  // of more, the first ones and the last
    for (std::size_t r = 0; r < order.size(); ++r) {
      if (order.size() > most_named && r == most_named / 4) {
        first += "-...";
        r = order.size() - 1;
      }
      first += fmt::format("{}{}", first.empty() ? "" : "-", order[r].value);
    }
    return fmt::format("{} ring{} through all members, {:.4g} GB/s around {}: {}", rings.size(), rings.size() == 1 ? "" : "s", rate * 1e-9,
                       rings.size() == 1 ? "it" : "them, the widest", first);
  }
};

}  // namespace

Result<Plan> plan_along(DataFlow flow, const Collective& collective, std::vector<Ring> rings, RingPlanLabel label) {
  const auto all = numbered(std::move(rings));
  std::vector<Move> moves;
  if (collective.kind == CollectiveKind::all_reduce) {
    for (const auto& ring : all) twice_around(flow, moves, ring);
  } else if (one_to_one(collective.kind)) {
    one_way(flow, moves, all);
  } else {
    for (const auto& ring : all) around(flow, moves, collective, ring);
  }
  push_in_rounds(flow, std::move(moves));
  return std::move(flow).finish(label.planner, std::move(label.parameters), std::move(label.reason), "use tree");
}

namespace planners {
Entry<Planner> ring() {
  return {"ring", "around cycles through all members: least bytes per link, most rounds", RingPlanner::known(),
          [] { return std::make_unique<RingPlanner>(); }};
}
}  // namespace planners

}  // namespace p2plab
