#include "data_flow.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

DataFlow::DataFlow(Schedule::Builder builder, Topology topology, const Routes& routes)
    : builder_(std::move(builder)), topology_(std::move(topology)), routes_(&routes), next_slot_(static_cast<std::size_t>(topology_.ranks())) {
  constexpr std::size_t few = 8;
  receives_.resize(builder_.blocks().size());
  for (std::size_t b = 0; b < receives_.size(); ++b) {
    const auto& receivers = builder_.blocks()[b].receivers;
    if (receivers.size() <= few) continue;
    receives_[b].resize(next_slot_.size());
    for (const auto rank : receivers) receives_[b][rank.index()] = true;
  }
}

Result<DataFlow> DataFlow::create(const Topology& topology, const Collective& collective, const Routes& routes) {
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  return DataFlow{*std::move(builder), topology, routes};
}

ChunkId DataFlow::add_chunk(Chunk chunk) {
  const auto id = builder_.add_chunk(chunk);
  chunk_blocks_.push_back(static_cast<std::size_t>(chunk.block));
  for (const auto rank : block_of(id).contributors) holding(rank, id) = {{input(rank, id)}, 1, false};
  return id;
}

bool DataFlow::receives(Rank rank, std::size_t block) const {
  if (!receives_[block].empty()) return receives_[block][rank.index()];
  const auto& receivers = builder_.blocks()[block].receivers;
  return std::ranges::find(receivers, rank) != receivers.end();
}

bool DataFlow::owes(Rank rank, ChunkId chunk) { return receives(rank, chunk_blocks_[chunk.index()]) && !holding(rank, chunk).delivered; }

void DataFlow::deliver(ChunkId chunk, Rank rank, const Location& place, std::size_t contributors, bool complete) {
  auto& held = holding(rank, chunk);
  if (place.buffer == Buffer::output) held.delivered = true;
  // A single place that holds the whole sum already is read on: waiting for one's own copy would gain nothing.
  if (complete && held.places.size() == 1 && held.contributors == contributors) return;
  if (complete) held.places.clear();
  held.places.push_back(place);
  held.contributors = complete ? contributors : held.contributors + contributors;
}

void DataFlow::transfer(Rank executor, std::span<const Rank> from, std::span<const Rank> to, ChunkId chunk) {
  std::vector<Location> sources;
  std::size_t contributors = 0;
  for (const auto rank : from) {
    const auto& held = holding(rank, chunk);
    sources.insert(sources.end(), held.places.begin(), held.places.end());
    contributors += held.contributors;
  }
  if (sources.empty()) return;
  const bool complete = contributors == block_of(chunk).contributors.size();
  std::vector<Location> destinations;
  if (complete && owes(executor, chunk)) destinations.push_back(output(executor, chunk));
  for (const auto rank : to) {
    const bool owed = complete && owes(rank, chunk);
    if (owed && rank == executor) continue;  // already in the list
    if (complete && !owed && holding(rank, chunk).contributors == contributors) continue;
    destinations.push_back(owed ? output(rank, chunk) : fresh(rank));
  }
  if (destinations.empty()) return;
  step(executor, sources, destinations);
  if (!complete) {
    for (const auto rank : from) holding(rank, chunk) = {{}, 0, holding(rank, chunk).delivered};
  }
  for (const auto& place : destinations) deliver(chunk, place.rank, place, contributors, complete);
}

void DataFlow::push_along(Rank from, std::span<const Rank> to, std::span<const RouteId> paths, ChunkId chunk) {
  expects(to.size() == paths.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (paths[i] != default_route) along_.emplace_back(to[i], paths[i]);
  }
  push(from, to, chunk);
  along_.clear();
}

void DataFlow::exchange(Rank a, Rank b, ChunkId chunk) {
  const auto one = holding(a, chunk);
  const auto other = holding(b, chunk);
  const auto tell = [&](Rank from, Rank to, const Holding& held) {
    if (held.places.empty()) return;
    std::vector<Location> destinations{fresh(to)};
    if (held.places.size() > 1) destinations.push_back(fresh(from));
    step(from, held.places, destinations);
    auto& target = holding(to, chunk);
    target.places.push_back(destinations[0]);
    target.contributors += held.contributors;
    auto& own = holding(from, chunk);
    if (destinations.size() == 1) return;
    own.places.erase(own.places.begin(), own.places.begin() + static_cast<std::ptrdiff_t>(held.places.size()));
    own.places.insert(own.places.begin(), destinations[1]);
  };
  tell(a, b, one);
  tell(b, a, other);
}

void DataFlow::step(Rank executor, std::span<const Location> sources, std::span<const Location> destinations) {
  for (const auto& place : sources) {
    if (!unreachable_ && !routes_->connected(place.rank, executor)) unreachable_ = {place.rank, executor};
  }
  std::vector<RouteId> paths(along_.empty() ? 0 : sources.size(), default_route);
  for (const auto& place : destinations) {
    const auto path = std::ranges::find(along_, place.rank, &std::pair<Rank, RouteId>::first);
    if (!along_.empty()) paths.push_back(path == along_.end() ? default_route : path->second);
    if (path == along_.end() && !unreachable_ && !routes_->connected(executor, place.rank)) unreachable_ = {executor, place.rank};
  }
  builder_.add_step(executor, sources, destinations, paths);
}

Result<Plan> DataFlow::finish(const std::string& planner, Parameters parameters, std::string reason, const std::string& advice) && {
  if (unreachable_) return no_path(topology_, planner, unreachable_->first, unreachable_->second, advice);
  for (std::size_t c = 0; c < chunk_blocks_.size(); ++c) {
    const ChunkId chunk{static_cast<std::int64_t>(c)};
    for (const auto rank : block_of(chunk).receivers) {
      if (owes(rank, chunk)) push(rank, rank, chunk);
    }
  }
  auto schedule = std::move(builder_).build();
  if (!schedule) return std::move(schedule).error();
  return Plan{.schedule = *std::move(schedule), .planner = planner, .parameters = std::move(parameters), .reason = std::move(reason)};
}

void push_in_rounds(DataFlow& flow, std::vector<Move> moves) {
  std::ranges::stable_sort(moves, {}, &Move::round);
  std::vector<Rank> to;
  for (std::size_t i = 0; i < moves.size();) {
    const auto& first = moves[i];
    to.clear();
    while (i < moves.size() && moves[i].round == first.round && moves[i].chunk == first.chunk && moves[i].from == first.from)
      to.push_back(moves[i++].to);
    flow.push(first.from, to, first.chunk);
  }
}

Error unsupported(const std::string& planner, CollectiveKind kind, const std::string& why, const std::string& advice) {
  return {.code = ErrorCode::unsupported, .message = fmt::format("{} does not do {}: {}", planner, to_string(kind), why), .notes = {advice}};
}

Error no_path(const Topology& topology, const std::string& planner, Rank from, Rank to, const std::string& advice) {
  return {.code = ErrorCode::unsupported,
          .message = fmt::format("{} sends from rank {} to rank {}, but no path leads from {} to {} without passing another GPU", planner, from.value,
                                 to.value, topology.node(topology.node_of(from)).name, topology.node(topology.node_of(to)).name),
          .notes = {advice}};
}

int position_of(const Collective& collective, Rank rank) {
  const auto found = std::ranges::find(collective.members, rank);
  expects(found != collective.members.end());
  return static_cast<int>(found - collective.members.begin());
}

}  // namespace p2plab
