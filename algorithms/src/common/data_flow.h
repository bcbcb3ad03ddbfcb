// SPDX-License-Identifier: Apache-2.0
// Where each rank holds what of each chunk while a planner lists its moves. A planner says who passes a chunk to whom; this class knows which
// locations make up what the passer holds, adds them in the same step, picks the place at the receiver, and fills outputs as soon as a sum is
// complete. Silent members, ranks that only relay, uneven shares and shared input and output need no care in the planners.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "p2plab/program/planner.h"

namespace p2plab {

/// Collects the steps of one plan.
class DataFlow {
 public:
  /// Errors: those of the contract.
  static Result<DataFlow> create(const Topology& topology, const Collective& collective);

  std::span<const Block> blocks() const& { return builder_.blocks(); }
  std::span<const Block> blocks() && = delete;

  const Block& block_of(ChunkId chunk) const& { return builder_.blocks()[chunk_blocks_[chunk.index()]]; }
  const Block& block_of(ChunkId chunk) && = delete;
  /// Does `rank` receive `chunk`, and is its output not written yet?
  bool owes(Rank rank, ChunkId chunk);

  /// Adds a piece of a block; its contributors hold it in their input. All chunks are added before the first transfer.
  ChunkId add_chunk(Chunk chunk);

  /// `executor` reads all that the ranks of `from` hold of `chunk`, adds it in that order, and writes it to the ranks of `to`: into their
  /// output if the sum is complete and they receive it, else into new scratch. A complete sum is also written to the executor's own output if
  /// that is still owed. An incomplete sum moves (the senders hold it no more), a complete one is copied. Nothing held means no step.
  void transfer(Rank executor, std::span<const Rank> from, std::span<const Rank> to, ChunkId chunk);

  /// `from` adds up what it holds and writes it to the ranks of `to`.
  void push(Rank from, std::span<const Rank> to, ChunkId chunk) { transfer(from, {&from, 1}, to, chunk); }
  void push(Rank from, Rank to, ChunkId chunk) { transfer(from, {&from, 1}, {&to, 1}, chunk); }
  /// `push` by a step for each of `groups`, none of which waits for another: each adds up what `from` holds once more.
  void push_apart(Rank from, std::span<const std::vector<Rank>> groups, ChunkId chunk);
  /// A path for `push_along` to name.
  RouteId add_route(std::span<const LinkId> links) { return builder_.add_route(links); }
  /// `push` along the given paths, one for each of `to`; `default_route` is the machine's own.
  void push_along(Rank from, std::span<const Rank> to, std::span<const RouteId> paths, ChunkId chunk);
  /// `to` reads what `from` holds and keeps it beside what it has.
  void pull(Rank to, Rank from, ChunkId chunk) { transfer(to, {&from, 1}, {&to, 1}, chunk); }

  /// `a` and `b` tell each other what they hold; afterwards both hold the same sum, added up in the same pairs, so bitwise equal.
  void exchange(Rank a, Rank b, ChunkId chunk);
  /// All of `ranks` tell each other what they hold; afterwards each holds what all held, added up in their order.
  void exchange(std::span<const Rank> ranks, ChunkId chunk);

  /// Folds the plan (framework: folding.h): what was listed is the base, `chunks` are those of the other images. All images do a step before any goes
  /// on to the next.
  void fold(std::vector<ScheduleImage> images, std::span<const Chunk> chunks);

  /// Fills the outputs that are still owed from what their ranks hold and ends the plan. Errors: unsupported, if some transfer had no path;
  /// the message begins with the planner's name, `advice` says what to use instead.
  Result<Plan> finish(const std::string& planner, Parameters parameters, std::string reason, const std::string& advice) &&;

 private:
  // What a rank holds of a chunk: one place as a rule, the others in a list aside.
  struct Holding {
    Location first;                       // where contributors > 0
    std::int32_t others = -1;             // in `others_`
    std::uint32_t contributors : 31 = 0;  // in the sum over all places
    std::uint32_t delivered : 1 = 0;      // its output is written
  };

  DataFlow(Schedule::Builder builder, Topology topology);
  bool receives(Rank rank, std::size_t block) const;
  Holding& holding(Rank rank, ChunkId chunk) {
    const auto table = tables_[chunk.index()];
    return table < 0 ? holdings_[{rank.value, chunk.value}] : table_[static_cast<std::size_t>(table) + rank.index()];
  }
  void append_places(const Holding& held, std::vector<Location>& places) const;
  void set_places(Holding& held, std::span<const Location> places);
  void drop_places(Holding& held) { set_places(held, {}), held.contributors = 0; }
  Location fresh(Rank rank) { return scratch(rank, next_slot_[rank.index()]++); }
  void deliver(ChunkId chunk, Rank rank, const Location& place, std::size_t contributors, bool complete);
  void step(Rank executor, std::span<const Location> sources, std::span<const Location> destinations);

  struct Key {
    std::int32_t rank;
    std::int32_t chunk;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return static_cast<std::size_t>(
          (static_cast<std::uint64_t>(static_cast<std::uint32_t>(key.rank)) << 32 | static_cast<std::uint32_t>(key.chunk)) * 0x9e3779b97f4a7c15ULL >>
          16);
    }
  };

  Schedule::Builder builder_;
  Topology topology_;
  const Routes* routes_;
  std::vector<std::size_t> chunk_blocks_;
  std::vector<std::vector<bool>> receives_;  // by block, by rank; empty for blocks of few receivers
  std::vector<std::int64_t> next_slot_;
  std::vector<std::int64_t> tables_;                    // by chunk: where its holdings begin in `table_`; -1 where few ranks have it
  std::vector<Holding> table_;                          // by rank, of chunks that many ranks have
  std::unordered_map<Key, Holding, KeyHash> holdings_;  // of the others; only looked up, never iterated
  std::vector<std::vector<Location>> others_;
  std::vector<std::int32_t> free_others_;
  std::vector<Location> sources_;  // of the step at hand
  std::vector<Location> destinations_;
  std::vector<RouteId> paths_;
  std::vector<std::pair<Rank, RouteId>> along_;  // explicit paths of the step at hand
  std::optional<std::pair<Rank, Rank>> unreachable_;
};

/// One hand-over of a chunk; planners list them, `push_in_rounds` puts them in order.
struct Move {
  int round = 0;
  ChunkId chunk;
  Rank from;
  Rank to;
};

/// Pushes all moves round by round, within a round in the given order, so that parallel parts of a plan interleave. Moves of one chunk
/// from one rank in one round become a single step with several destinations.
void push_in_rounds(DataFlow& flow, std::vector<Move> moves);

/// The weight of a chunk whose block has chunks of up to `widest`: weights beyond what plan files hold lose their last digits, all as many.
std::uint32_t chunk_weight(std::int64_t weight, std::int64_t widest);

/// The error of a planner that does not do a collective: "PLANNER does not do KIND: WHY", with `advice` as a note.
Error unsupported(const std::string& planner, CollectiveKind kind, const std::string& why, const std::string& advice);

/// The error of a planner that would need a path that the machine lacks; `advice` goes into a note.
Error no_path(const Topology& topology, const std::string& planner, Rank from, Rank to, const std::string& advice);

/// The error of a planner whose plan has a step for each pair of members or more, where the context looks at fewer steps; else none.
std::optional<Error> too_long_by_pairs(const std::string& planner, const Collective& collective, const PlanContext& context);
/// The same for so many steps.
std::optional<Error> too_long(const std::string& planner, std::size_t steps, const PlanContext& context);

/// Position of `rank` in the process group, which must hold it.
int position_of(const Collective& collective, Rank rank);

}  // namespace p2plab
