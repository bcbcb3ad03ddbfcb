// SPDX-License-Identifier: Apache-2.0
#include "common/data_flow.h"

#include <algorithm>
#include <limits>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

constexpr std::uint32_t most_contributors = 0x7fffffffU;

// Ranks between which a folded schedule's images send where no path leads: images need be no symmetries of the machine.
std::optional<std::pair<Rank, Rank>> missing_in_images(const Schedule& schedule, const Routes& routes) {
  if (!schedule.folding().folded() || routes.kinds().all_connected()) return std::nullopt;
  for (std::size_t s = 0; s < schedule.base_step_count(); ++s) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(s)});
    const auto sources = step.sources.size();
    for (std::size_t k = 0; k < sources + step.destinations.size(); ++k) {
      if (!step.routes.empty() && step.routes[k] != default_route) continue;
      const bool read = k < sources;
      const auto place = read ? step.sources[k].rank : step.destinations[k - sources].rank;
      for (int i = 0; i < schedule.folding().images(); ++i) {
        const auto there = schedule.in_image(i, place);
        const auto executor = schedule.in_image(i, step.executor);
        if (!routes.connected(read ? there : executor, read ? executor : there)) return std::pair{read ? there : executor, read ? executor : there};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

DataFlow::DataFlow(Schedule::Builder builder, Topology topology)
    : builder_(std::move(builder)),
      topology_(std::move(topology)),
      routes_(&topology_.routes()),
      next_slot_(static_cast<std::size_t>(topology_.ranks())) {
  constexpr std::size_t few = 8;
  receives_.resize(builder_.blocks().size());
  for (std::size_t b = 0; b < receives_.size(); ++b) {
    const auto& receivers = builder_.blocks()[b].receivers;
    if (receivers.size() <= few) continue;
    receives_[b].resize(next_slot_.size());
    for (const auto rank : receivers) receives_[b][rank.index()] = true;
  }
}

Result<DataFlow> DataFlow::create(const Topology& topology, const Collective& collective) {
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  return DataFlow{*std::move(builder), topology};
}

ChunkId DataFlow::add_chunk(Chunk chunk) {
  const auto id = builder_.add_chunk(chunk);
  chunk_blocks_.push_back(static_cast<std::size_t>(chunk.block));
  const auto& block = block_of(id);
  const bool many = (block.contributors.size() + block.receivers.size()) * 4 > next_slot_.size();
  tables_.push_back(many ? static_cast<std::int64_t>(table_.size()) : -1);
  if (many) table_.resize(table_.size() + next_slot_.size());
  for (const auto rank : block.contributors) {
    auto& held = holding(rank, id);
    held.first = input(rank, id);
    held.contributors = 1;
  }
  return id;
}

void DataFlow::append_places(const Holding& held, std::vector<Location>& places) const {
  if (held.contributors == 0) return;
  places.push_back(held.first);
  if (held.others < 0) return;
  const auto& others = others_[static_cast<std::size_t>(held.others)];
  places.insert(places.end(), others.begin(), others.end());
}

void DataFlow::set_places(Holding& held, std::span<const Location> places) {
  if (!places.empty()) held.first = places.front();
  if (held.others >= 0 && places.size() < 2) {
    others_[static_cast<std::size_t>(held.others)].clear();
    free_others_.push_back(held.others);
    held.others = -1;
  }
  if (places.size() < 2) return;
  if (held.others < 0 && free_others_.empty()) {
    free_others_.push_back(static_cast<std::int32_t>(others_.size()));
    others_.emplace_back();
  }
  if (held.others < 0) {
    held.others = free_others_.back();
    free_others_.pop_back();
  }
  others_[static_cast<std::size_t>(held.others)].assign(places.begin() + 1, places.end());
}

bool DataFlow::receives(Rank rank, std::size_t block) const {
  if (!receives_[block].empty()) return receives_[block][rank.index()];
  const auto& receivers = builder_.blocks()[block].receivers;
  return std::ranges::find(receivers, rank) != receivers.end();
}

bool DataFlow::owes(Rank rank, ChunkId chunk) { return receives(rank, chunk_blocks_[chunk.index()]) && !holding(rank, chunk).delivered; }

void DataFlow::deliver(ChunkId chunk, Rank rank, const Location& place, std::size_t contributors, bool complete) {
  auto& held = holding(rank, chunk);
  if (place.buffer == Buffer::output) held.delivered = 1;
  // A single place that holds the whole sum already is read on: waiting for one's own copy would gain nothing.
  if (complete && held.others < 0 && held.contributors == contributors) return;
  if (complete || held.contributors == 0) {
    set_places(held, {&place, 1});
    held.contributors = static_cast<std::uint32_t>(contributors) & most_contributors;
    return;
  }
  std::vector<Location> places;
  append_places(held, places);
  places.push_back(place);
  set_places(held, places);
  held.contributors = static_cast<std::uint32_t>(held.contributors + contributors) & most_contributors;
}

void DataFlow::transfer(Rank executor, std::span<const Rank> from, std::span<const Rank> to, ChunkId chunk) {
  sources_.clear();
  std::size_t contributors = 0;
  for (const auto rank : from) {
    const auto& held = holding(rank, chunk);
    append_places(held, sources_);
    contributors += held.contributors;
  }
  if (sources_.empty()) return;
  const bool complete = contributors == block_of(chunk).contributors.size();
  destinations_.clear();
  if (complete && owes(executor, chunk)) destinations_.push_back(output(executor, chunk));
  for (const auto rank : to) {
    const bool owed = complete && owes(rank, chunk);
    if (owed && rank == executor) continue;  // already in the list
    if (complete && !owed && holding(rank, chunk).contributors == contributors) continue;
    destinations_.push_back(owed ? output(rank, chunk) : fresh(rank));
  }
  if (destinations_.empty()) return;
  step(executor, sources_, destinations_);
  if (!complete) {
    for (const auto rank : from) drop_places(holding(rank, chunk));
  }
  for (const auto& place : destinations_) deliver(chunk, place.rank, place, contributors, complete);
}

void DataFlow::push_apart(Rank from, std::span<const std::vector<Rank>> groups, ChunkId chunk) {
  const auto contributors = holding(from, chunk).contributors;
  const auto places_of = [&] {
    std::vector<Location> places;
    append_places(holding(from, chunk), places);
    return places;
  };
  const auto before = places_of();
  std::optional<std::vector<Location>> after;
  for (const auto& to : groups) {
    set_places(holding(from, chunk), before);
    holding(from, chunk).contributors = contributors & most_contributors;
    push(from, to, chunk);
    if (!after) after = places_of();
  }
  if (after && !after->empty()) set_places(holding(from, chunk), *after);
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
  struct Told {
    std::vector<Location> places;
    std::uint32_t contributors = 0;
  };
  const auto told_by = [&](Rank rank) {
    const auto& held = holding(rank, chunk);
    Told told{{}, held.contributors};
    append_places(held, told.places);
    return told;
  };
  const auto one = told_by(a);
  const auto other = told_by(b);
  const auto tell = [&](Rank from, Rank to, const Told& told) {
    if (told.places.empty()) return;
    std::vector<Location> destinations{fresh(to)};
    if (told.places.size() > 1) destinations.push_back(fresh(from));
    step(from, told.places, destinations);
    auto& target = holding(to, chunk);
    std::vector<Location> places;
    append_places(target, places);
    places.push_back(destinations[0]);
    set_places(target, places);
    target.contributors = (target.contributors + told.contributors) & most_contributors;
    if (destinations.size() == 1) return;
    auto& own = holding(from, chunk);
    places.clear();
    append_places(own, places);
    places.erase(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(told.places.size()));
    places.insert(places.begin(), destinations[1]);
    set_places(own, places);
  };
  tell(a, b, one);
  tell(b, a, other);
}

void DataFlow::exchange(std::span<const Rank> ranks, ChunkId chunk) {
  std::vector<std::vector<Location>> known(ranks.size());
  std::uint32_t contributors = 0;
  for (std::size_t g = 0; g < ranks.size(); ++g) {
    std::vector<Location> told;
    append_places(holding(ranks[g], chunk), told);
    if (told.empty()) continue;
    contributors += holding(ranks[g], chunk).contributors;
    std::vector<Location> destinations;
    for (std::size_t h = 0; h < ranks.size(); ++h) {
      if (h == g && told.size() == 1) {
        known[h].push_back(told.front());
        continue;
      }
      destinations.push_back(fresh(ranks[h]));
      known[h].push_back(destinations.back());
    }
    if (!destinations.empty()) step(ranks[g], told, destinations);
  }
  for (std::size_t h = 0; h < ranks.size(); ++h) {
    auto& held = holding(ranks[h], chunk);
    set_places(held, known[h]);
    held.contributors = contributors & most_contributors;
  }
}

void DataFlow::step(Rank executor, std::span<const Location> sources, std::span<const Location> destinations) {
  for (const auto& place : sources) {
    if (!unreachable_ && !routes_->connected(place.rank, executor)) unreachable_ = {place.rank, executor};
  }
  paths_.assign(along_.empty() ? 0 : sources.size(), default_route);
  for (const auto& place : destinations) {
    const auto path = std::ranges::find(along_, place.rank, &std::pair<Rank, RouteId>::first);
    if (!along_.empty()) paths_.push_back(path == along_.end() ? default_route : path->second);
    if (path == along_.end() && !unreachable_ && !routes_->connected(executor, place.rank)) unreachable_ = {executor, place.rank};
  }
  builder_.add_step(executor, sources, destinations, paths_);
}

void DataFlow::fold(std::vector<ScheduleImage> images, std::span<const Chunk> chunks) {
  for (const auto& chunk : chunks) builder_.add_chunk(chunk);
  builder_.fold(std::move(images));
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
  if (const auto missing = missing_in_images(*schedule, *routes_)) return no_path(topology_, planner, missing->first, missing->second, advice);
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

std::uint32_t chunk_weight(std::int64_t weight, std::int64_t widest) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  int digits = 0;
  while (widest >> digits > most) ++digits;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(weight >> digits, 1));
}

int position_of(const Collective& collective, Rank rank) {
  const auto found = std::ranges::find(collective.members, rank);
  expects(found != collective.members.end());
  return static_cast<int>(found - collective.members.begin());
}

}  // namespace p2plab
