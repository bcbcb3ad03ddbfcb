// SPDX-License-Identifier: Apache-2.0
// One-shot: every receiver reads all contributors' inputs and adds them itself (or every sender pushes its input into the receivers' scratch,
// which then add). One round; each rank takes in (n-1) payloads. Optimal for latency where all pairs are connected: no collective that
// combines needs fewer rounds (NCCL's AllReduce_AGxLL, vLLM's one-stage custom all-reduce, TRT-LLM's one-shot do so).
#include <algorithm>
#include <array>

#include "common/alike.h"
#include "common/data_flow.h"
#include "common/estimate.h"
#include "islands/rotated_islands.h"
#include "p2plab/machine/routes.h"
#include "p2plab/plan/builtin_planners.h"

namespace p2plab {

namespace {

class OneShot final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }

  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    using enum CollectiveKind;
    const bool own_blocks = collective.kind == all_gather || collective.kind == reduce_scatter;
    if (!own_blocks && collective.kind != all_reduce) return std::nullopt;
    return time_of_direct_sends(topology, collective, context.payload, {.whole = !own_blocks, .pieces = 1});
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("one_shot", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    static const std::array<std::string, 2> modes{"pull", "push"};
    auto mode = word_parameter(*parameters, "mode", modes);
    if (!mode) return std::move(mode).error();
    auto builder = Schedule::Builder::create(collective, topology.ranks());
    if (!builder) return std::move(builder).error();
    if (const auto missing = missing_path(*builder, topology.routes())) {
      return no_path(topology, "one_shot", missing->first, missing->second,
                     "use auto: tree, and ring where there is one, send between neighbours only");
    }
    // An in-place result overwrites an input that others still read: then only pushing first is right.
    const bool push = *mode == "push" || (context.in_place && collective.kind == CollectiveKind::all_reduce);
    const auto n = collective.members.size();
    if (const auto alike =
            n >= fold_squares_from(context) ? AlikeMembers::create(WrappedGrid({n}), collective.members, builder->blocks()) : std::nullopt) {
      rotate(*builder, *alike, topology.ranks(), push);
    } else if (const auto rotated = to_many(collective.kind) ? RotatedMembers::create(topology, collective, context) : std::nullopt) {
      rotate(*builder, *rotated, collective.kind, push);
    } else {
      for (std::size_t b = 0; b < builder->blocks().size(); ++b) builder->add_chunk({static_cast<std::int32_t>(b), 1, 0});
      push ? push_all(*builder) : pull_all(*builder);
    }
    auto schedule = std::move(*builder).build();
    if (!schedule) return std::move(schedule).error();
    return Plan{.schedule = *std::move(schedule),
                .planner = "one_shot",
                .parameters = *std::move(parameters),
                .reason = push ? "every sender pushes its input to every receiver, which adds: one round"
                               : "every receiver reads all inputs and adds: one round"};
  }

  static std::vector<ParameterInfo> known() {
    return {{"mode", "pull: receivers read; push: senders write (always, if all_reduce is in place)", "pull"}};
  }

 private:
  static std::optional<std::pair<Rank, Rank>> missing_path(const Schedule::Builder& builder, const Routes& routes) {
    for (const auto& block : builder.blocks()) {
      for (const auto from : block.contributors) {
        for (const auto to : block.receivers) {
          if (!routes.connected(from, to)) return std::pair{from, to};
        }
      }
    }
    return std::nullopt;
  }

  // What the first member gives, one place further on in each step, its own last; the others' is that rotated.
  static void rotate(Schedule::Builder& builder, const AlikeMembers& alike, int ranks, bool push) {
    const auto count = alike.distances().size();
    std::vector<ChunkId> chunks;
    for (std::size_t k = 0; k < count; ++k) chunks.push_back(builder.add_chunk({alike.block(0, k), 1, 0}));
    const auto own = static_cast<std::size_t>(std::ranges::count(alike.distances(), std::size_t{0}));  // they come first
    for (std::size_t k = 0; k < count; ++k) {
      const auto which = (k + own) % count;
      const auto to = alike.member(alike.distances()[which]);
      builder.copy(push ? alike.member(0) : to, input(alike.member(0), chunks[which]), output(to, chunks[which]));
    }
    for (const auto& chunk : alike.other_chunks()) builder.add_chunk(chunk);
    builder.fold(alike.images(ranks));
  }

  static bool to_many(CollectiveKind kind) { return kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter; }

  // What is done with the first member's block; with the others' that, rotated.
  static void rotate(Schedule::Builder& builder, const RotatedMembers& rotated, CollectiveKind kind, bool push) {
    const auto chunk = builder.add_chunk(rotated.first_chunk(true));
    const auto first = rotated.first();
    const auto& members = rotated.after();
    std::vector<Location> places;
    if (kind == CollectiveKind::all_gather) {
      for (const auto rank : members) places.push_back(output(rank, chunk));
      if (push) builder.add_step(first, std::array{input(first, chunk)}, places);
      for (std::size_t k = 0; !push && k < places.size(); ++k) builder.copy(members[k], input(first, chunk), places[k]);
    } else {
      for (std::size_t k = 0; k < members.size(); ++k) {
        const bool copied = push && k > 0;
        places.push_back(copied ? scratch(first, static_cast<std::int64_t>(k)) : input(members[k], chunk));
        if (copied) builder.copy(members[k], input(members[k], chunk), places.back());
      }
      builder.add_step(first, places, std::array{output(first, chunk)});
    }
    for (const auto& other : rotated.other_chunks(true)) builder.add_chunk(other);
    builder.fold(rotated.images());
  }

  static void pull_all(Schedule::Builder& builder) {
    for (std::size_t b = 0; b < builder.blocks().size(); ++b) {
      const ChunkId chunk{static_cast<std::int64_t>(b)};
      const auto& block = builder.blocks()[b];
      for (const auto rank : block.receivers) {
        std::vector<Location> sources;
        for (const auto sender : block.contributors) sources.push_back(input(sender, chunk));
        if (!sources.empty()) builder.add_step(rank, sources, std::array{output(rank, chunk)});
      }
    }
  }

  static void push_all(Schedule::Builder& builder) {
    for (std::size_t b = 0; b < builder.blocks().size(); ++b) {
      if (builder.blocks()[b].contributors.size() == 1) {
        push_copies(builder, b);
      } else {
        push_and_add(builder, b);
      }
    }
  }

  // With one sender there is nothing to add: straight into the outputs.
  static void push_copies(Schedule::Builder& builder, std::size_t b) {
    const ChunkId chunk{static_cast<std::int64_t>(b)};
    const auto sender = builder.blocks()[b].contributors[0];
    std::vector<Location> copies;
    for (const auto rank : builder.blocks()[b].receivers) copies.push_back(output(rank, chunk));
    if (!copies.empty()) builder.add_step(sender, std::array{input(sender, chunk)}, copies);
  }

  // Scratch slot of sender g's copy of block b: b * senders + g, the same on every receiver.
  static void push_and_add(Schedule::Builder& builder, std::size_t b) {
    const ChunkId chunk{static_cast<std::int64_t>(b)};
    const auto block = builder.blocks()[b];
    const auto slot = [&](std::size_t sender) { return static_cast<std::int64_t>(b * block.contributors.size() + sender); };
    for (std::size_t g = 0; g < block.contributors.size(); ++g) {
      std::vector<Location> copies;
      for (const auto rank : block.receivers) {
        if (rank != block.contributors[g]) copies.push_back(scratch(rank, slot(g)));
      }
      if (!copies.empty()) builder.add_step(block.contributors[g], std::array{input(block.contributors[g], chunk)}, copies);
    }
    for (const auto rank : block.receivers) {
      std::vector<Location> sources;
      for (std::size_t g = 0; g < block.contributors.size(); ++g) {
        sources.push_back(block.contributors[g] == rank ? input(rank, chunk) : scratch(rank, slot(g)));
      }
      if (!sources.empty()) builder.add_step(rank, sources, std::array{output(rank, chunk)});
    }
  }
};

}  // namespace

namespace planners {
Entry<Planner> one_shot() {
  return {"one_shot", "all inputs to every receiver at once: least latency, most bytes", OneShot::known(),
          [] { return std::make_unique<OneShot>(); }};
}
}  // namespace planners

}  // namespace p2plab
