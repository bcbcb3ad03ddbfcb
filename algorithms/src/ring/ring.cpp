// SPDX-License-Identifier: Apache-2.0
// Ring: data goes around cycles through all members, each member adding its own and passing on. all_reduce cuts each ring's share into n pieces
// that go around twice, once to be summed, once to be handed out: 2(n-1) rounds, each link of the ring carries 2(n-1)/n of the share, which is
// optimal for bandwidth where the rings fill all links (Patarasuk and Yuan, 2009). reduce_scatter and all_gather are its halves (n-1 rounds,
// (n-1)/n). broadcast and reduce are chains whose slices follow each other: n-1 rounds, the share once over each link. The other collectives travel
// along the ring from sender to receiver, which brings them to receivers that no route reaches. Several rings run side by side: the largest
// fractional packing of directed Hamiltonian cycles into the machine's links (NCCL searches integral ones), each with its own channel and its share
// of the data.
#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "common/alike.h"
#include "common/data_flow.h"
#include "common/estimate.h"
#include "p2plab/machine/routes.h"
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

// What goes around a ring: a piece of a block, summed on its way to a place of the ring or handed out from there.
struct Piece {
  std::size_t block = 0;
  int place = -1;  // none, where nobody has anything of it
};

Rank rank_of(const Collective& collective, const Block& block) { return (reduces(collective.kind) ? block.receivers : block.contributors).front(); }

// all_reduce has a piece for each place of the ring, the others one of each block.
std::vector<Piece> pieces_of(const DataFlow& flow, const Collective& collective, const NumberedRing& ring) {
  std::vector<Piece> pieces;
  if (collective.kind == CollectiveKind::all_reduce) {
    for (int p = 0; p < ring.size(); ++p) pieces.push_back({0, p});
    return pieces;
  }
  for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
    const auto& block = flow.blocks()[b];
    pieces.push_back({b, block.contributors.empty() ? -1 : ring.place_of(rank_of(collective, block))});
  }
  return pieces;
}

void go_around(DataFlow& flow, std::vector<Move>& moves, CollectiveKind kind, const NumberedRing& ring, const Piece& piece) {
  const auto chunk = flow.add_chunk(ring.piece(piece.block));
  const int hops = ring.size() - 1;
  if (piece.place < 0) return;
  ring.travel(moves, chunk, piece.place + (reduces(kind) ? 1 : 0), hops, 0);
  if (kind == CollectiveKind::all_reduce) ring.travel(moves, chunk, piece.place, hops, hops);
}

// The pieces of the first places of each ring, or of the blocks of the first members of the first one: so all blocks are cut into their pieces in the
// same order of rings, and images divide what they divide by members. Those of the others are their images.
void fold_around(DataFlow& flow, const Collective& collective, const std::vector<NumberedRing>& all, const std::vector<ScheduleImage>& images) {
  const bool whole = collective.kind == CollectiveKind::all_reduce;
  const auto places = all.front().size() / static_cast<int>(images.size());
  std::vector<std::size_t> blocks(images.front().ranks.size());  // by rank
  for (std::size_t b = 0; b < flow.blocks().size() && !whole; ++b) blocks[rank_of(collective, flow.blocks()[b]).index()] = b;
  std::vector<Move> moves;
  std::vector<std::pair<Chunk, Rank>> base;
  for (const auto& ring : all) {
    auto pieces = pieces_of(flow, collective, ring);
    std::erase_if(pieces, [&](const Piece& piece) { return (whole ? piece.place : all.front().place_of(ring.at(piece.place))) >= places; });
    for (const auto& piece : pieces) {
      base.emplace_back(ring.piece(piece.block), ring.at(piece.place));
      go_around(flow, moves, collective.kind, ring, piece);
    }
  }
  std::vector<Chunk> others;
  for (std::size_t i = 1; i < images.size(); ++i) {
    for (auto [chunk, rank] : base) {
      if (!whole) chunk.block = static_cast<std::int32_t>(blocks[images[i].ranks[rank.index()].index()]);
      others.push_back(chunk);
    }
  }
  push_in_rounds(flow, std::move(moves));
  flow.fold(images, others);
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

// Is the ring turned into itself, and each hop into one that takes a path of its kind?
bool turns_into_itself(const std::vector<Rank>& order, const std::vector<Rank>& to, const PairKinds& kinds) {
  const auto n = order.size();
  const auto first = static_cast<std::size_t>(std::ranges::find(order, to[order[0].index()]) - order.begin());
  for (std::size_t k = 0; k < n; ++k) {
    const auto here = order[k];
    const auto next = order[(k + 1) % n];
    if (to[here.index()] != order[(first + k) % n]) return false;
    if (kinds.of(here, next) != kinds.of(to[here.index()], to[next.index()])) return false;
  }
  return true;
}

// The images by which all ranks go on by as few places of the first ring as can be; none where that is a whole turn. All ranks are on each ring.
std::vector<ScheduleImage> turns_of(const Topology& topology, const std::vector<Ring>& rings) {
  std::vector<ScheduleImage> images;
  const auto& order = rings.front().order;
  const auto& kinds = topology.routes().kinds();
  for (std::size_t places = 1; places < order.size() && images.empty(); ++places) {
    if (order.size() % places != 0) continue;
    const auto to = turned_by(places, order);
    if (!std::ranges::all_of(rings, [&](const Ring& ring) { return turns_into_itself(ring.order, to, kinds); })) continue;
    images = all_turns_by(places, order);
  }
  return images;
}

class RingPlanner final : public Planner {
 public:
  // Only chains are cut by the payload: the others are cut into pieces that follow each other already.
  bool reads_payload(const Collective& collective, const Parameters&) const override { return is_chain(collective.kind); }
  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    if (context.payload.elements == 0) return std::nullopt;
    const auto most = most_rings(topology, collective, context.parameters);
    if (!most) return std::nullopt;
    const auto elements = context.payload.elements / std::max<std::int64_t>(1, std::ssize(collective.members));
    const auto block = static_cast<double>(elements * size_of(context.payload.type));
    const auto least = least_time_around(topology, collective, {*most, block});
    const auto chain = least_chain_around(topology, collective, {*most}, context.payload);
    return chain ? std::max(least.value_or(Seconds{0}), chain->latency) : least;
  }
  std::optional<StepChain> chain(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    const auto most = most_rings(topology, collective, context.parameters);
    return most ? least_chain_around(topology, collective, {*most}, context.payload) : std::nullopt;
  }
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("ring", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    auto rings = rings_of(topology, collective, *parameters);
    if (!rings) return std::move(rings).error();
    auto reason = describe(*rings);
    if (rings->empty()) rings->push_back({.order = collective.members});
    TurnedRings turned{*std::move(rings)};
    if (goes_around(collective.kind) && may_turn(topology, collective, context)) turned.images = turns_of(topology, turned.rings);
    const auto images = std::max<std::size_t>(1, turned.images.size());
    if (auto fault = too_long("ring", steps_along(collective, flow->blocks(), turned.rings) / images, context)) return *std::move(fault);
    auto plan = plan_along(*std::move(flow), collective, std::move(turned), {"ring", *std::move(parameters), std::move(reason)});
    if (plan && is_chain(collective.kind)) suggest_slices(*plan, topology, context.payload.size());
    return plan;
  }

  static std::vector<ParameterInfo> known() {
    return {{"fabric", "nvlink: only GPU links; any: PCIe and networks too; auto: GPU links if they join all members", "auto"},
            {"rings", "the most rings side by side, 1 to 64; auto: as many as help on GPU links and networks, one on PCIe", "auto"}};
  }

 private:
  static Result<std::vector<Ring>> rings_of(const Topology& topology, const Collective& collective, const Parameters& parameters) {
    static const std::array<std::string, 3> fabrics{"auto", "nvlink", "any"};
    auto fabric = word_parameter(parameters, "fabric", fabrics);
    if (!fabric) return std::move(fabric).error();
    auto most = parameters.at("rings") == "auto" ? Result<std::int64_t>{0} : integer_parameter(parameters, "rings", 1, 64);
    if (!most) return std::move(most).error();
    const auto wanted = *fabric == "auto" ? RingFabric::automatic : (*fabric == "nvlink" ? RingFabric::nvlink : RingFabric::any);
    return find_rings(topology, collective.members, {wanted, static_cast<int>(*most)});
  }
  // None where the parameter is wrong.
  static std::optional<std::size_t> most_rings(const Topology& topology, const Collective& collective, const Parameters& parameters) {
    const auto rings = parameters.find("rings");
    const bool given = rings != parameters.end() && rings->second != "auto";
    const auto asked = given ? integer_parameter(parameters, "rings", 1, 64) : Result<std::int64_t>{static_cast<std::int64_t>(most_unasked)};
    if (!asked) return std::nullopt;
    const auto most = static_cast<std::size_t>(*asked);
    return collective.kind == CollectiveKind::all_to_all ? std::min(most, most_rings_between(topology, collective.members)) : most;
  }
  static bool is_chain(CollectiveKind kind) { return kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce; }
  static bool goes_around(CollectiveKind kind) { return !is_chain(kind) && !one_to_one(kind); }
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

Result<Plan> plan_along(DataFlow flow, const Collective& collective, TurnedRings turned, RingPlanLabel label) {
  const auto all = numbered(std::move(turned.rings));
  std::vector<Move> moves;
  if (!turned.images.empty()) {
    fold_around(flow, collective, all, turned.images);
  } else if (one_to_one(collective.kind)) {
    one_way(flow, moves, all);
  } else {
    for (const auto& ring : all) {
      for (const auto& piece : pieces_of(flow, collective, ring)) go_around(flow, moves, collective.kind, ring, piece);
    }
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
