// SPDX-License-Identifier: Apache-2.0
// Two-shot: the payload is cut into one shard per member; first each shard is reduced at its owner, then the owner hands it to all receivers.
// Two rounds (one, where a single step reads all inputs and writes all outputs). all_reduce: each rank sends and takes in 2(n-1)/n payloads, the
// least possible on a switch (Patarasuk and Yuan, 2009), so optimal there once the payload outweighs the second round; below that one_shot wins.
// reduce_scatter and all_gather are its halves; broadcast scatters to the n-1 others, who pass their shard on (van de Geijn's scatter-allgather),
// reduce is its mirror: the root moves one payload, the others at most (2n-3)/(n-1). TensorRT-LLM's and vLLM's two-stage kernels do so.
#include <array>

#include "common/data_flow.h"
#include "common/estimate.h"
#include "islands/rotated_islands.h"

namespace p2plab {

namespace {

// A piece of the payload and the rank through which it passes.
struct Shard {
  ChunkId chunk;
  Rank owner;
};

class TwoShot final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }

  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    using enum CollectiveKind;
    const bool own_blocks = collective.kind == all_gather || collective.kind == reduce_scatter;
    if (!own_blocks && collective.kind != all_reduce) return std::nullopt;
    return time_of_direct_sends(topology, collective, context.payload, {.pieces = own_blocks ? 1 : 2});
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("two_shot", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    static const std::array<std::string, 3> modes{"push", "pull", "direct"};
    auto mode = word_parameter(*parameters, "mode", modes);
    if (!mode) return std::move(mode).error();
    using enum CollectiveKind;
    // Of one root, too, each shard goes from its owner to all others, or to it from all, if by a step with as many operands.
    const bool each_to_each = rooted(collective.kind) || (collective.kind == all_reduce && *mode != "direct") ||
                              (collective.kind == reduce_scatter && *mode == "push") || (collective.kind == all_gather && *mode == "pull");
    const bool each_has_one = collective.kind == all_reduce || collective.kind == reduce_scatter || collective.kind == all_gather;
    const auto rotated = each_has_one ? RotatedMembers::create(topology, collective, context) : std::nullopt;
    if (auto fault = each_to_each && !rotated ? too_long_by_pairs("two_shot", collective, context) : std::nullopt) return *std::move(fault);
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    if (rotated) {
      rotate(*flow, *rotated, *mode, collective.kind != all_reduce);
    } else if (auto listed = list(*flow, collective, *mode); !listed) {
      return std::move(listed).error();
    }
    return std::move(*flow).finish("two_shot", *std::move(parameters), "each member reduces its shard of the payload, then hands it to all receivers",
                                   "use auto: tree, and ring where there is one, send between neighbours only");
  }

  static std::vector<ParameterInfo> known() {
    return {{"mode",
             "push: data is written to the receiver; pull: it is read from the sender; direct: one step reads all inputs and writes all outputs",
             "push"}};
  }

 private:
  // One member's shard; the others' are that, rotated.
  static void rotate(DataFlow& flow, const RotatedMembers& rotated, const std::string& mode, bool block_each) {
    const Shard shard{flow.add_chunk(rotated.first_chunk(block_each)), rotated.first()};
    const auto others = rotated.before();
    if (mode == "push") {
      for (std::size_t k = 1; k < others.size(); ++k) flow.push(others[k], shard.owner, shard.chunk);
      flow.push(shard.owner, receivers(flow, shard), shard.chunk);
    }
    if (mode == "pull") {
      flow.transfer(shard.owner, rotated.after(), std::array{shard.owner}, shard.chunk);
      for (std::size_t k = 1; k < others.size(); ++k) {
        if (flow.owes(others[k], shard.chunk)) flow.pull(others[k], shard.owner, shard.chunk);
      }
    }
    if (mode == "direct") flow.transfer(shard.owner, rotated.after(), receivers(flow, shard), shard.chunk);
    rotated.fold(flow, block_each);
  }

  static Status list(DataFlow& flow, const Collective& collective, const std::string& mode) {
    const auto shards = cut(flow, collective);
    if (shards.empty())
      return unsupported("two_shot", collective.kind, "its blocks have one sender and one receiver, so there is nothing to share out",
                         "use pairwise");
    if (mode == "push") push(flow, shards, collective.members);
    if (mode == "pull") pull(flow, shards, collective.members);
    if (mode == "direct") {
      for (const auto& shard : shards) flow.transfer(shard.owner, collective.members, receivers(flow, shard), shard.chunk);
    }
    return {};
  }

  static std::vector<Shard> cut(DataFlow& flow, const Collective& collective) {
    std::vector<Shard> shards;
    const auto& members = collective.members;
    switch (collective.kind) {
      case CollectiveKind::all_reduce:
        for (const auto rank : members) shards.push_back({flow.add_chunk({}), rank});
        return shards;
      case CollectiveKind::broadcast:
      case CollectiveKind::reduce:
        // The root need own no shard: what it owned it would have to send or take in for everyone.
        for (const auto rank : members) {
          if (rank != collective.root || members.size() == 1) shards.push_back({flow.add_chunk({}), rank});
        }
        return shards;
      case CollectiveKind::reduce_scatter:
      case CollectiveKind::all_gather:
        for (std::size_t b = 0; b < members.size(); ++b) shards.push_back({flow.add_chunk({static_cast<std::int32_t>(b), 1, 0}), members[b]});
        return shards;
      default: return shards;
    }
  }

  static const RankList& receivers(const DataFlow& flow, const Shard& shard) { return flow.block_of(shard.chunk).receivers; }

  // In round k everyone serves the shard k places on, so that no owner is everyone's target at once.
  static void push(DataFlow& flow, const std::vector<Shard>& shards, const std::vector<Rank>& members) {
    for (std::size_t k = 0; k < shards.size(); ++k) {
      for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& shard = shards[(i + k) % shards.size()];
        if (shard.owner != members[i]) flow.push(members[i], shard.owner, shard.chunk);
      }
    }
    for (const auto& shard : shards) flow.push(shard.owner, receivers(flow, shard), shard.chunk);
  }

  static void pull(DataFlow& flow, const std::vector<Shard>& shards, const std::vector<Rank>& members) {
    for (const auto& shard : shards) flow.transfer(shard.owner, members, std::array{shard.owner}, shard.chunk);
    for (std::size_t k = 0; k < shards.size(); ++k) {
      for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& shard = shards[(i + k) % shards.size()];
        if (shard.owner != members[i] && flow.owes(members[i], shard.chunk)) flow.pull(members[i], shard.owner, shard.chunk);
      }
    }
  }
};

}  // namespace

namespace planners {
Entry<Planner> two_shot() {
  return {"two_shot", "each member reduces a shard, then hands it out: two rounds, least bytes on a switch", TwoShot::known(),
          [] { return std::make_unique<TwoShot>(); }};
}
}  // namespace planners

}  // namespace p2plab
