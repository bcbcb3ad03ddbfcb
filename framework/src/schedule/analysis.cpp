// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/analysis.h"
#include "p2plab/detail/parallel_links.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/schedule/rank_images.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

// The chunk that each step moves, found by following values through a list that is not folded; -1 where it reads what was never written.
class ChunkTracker {
 public:
  explicit ChunkTracker(const Schedule& schedule) : index_(schedule, false), chunks_(index_.size(), -1) {
    for (std::size_t c = 0; c < schedule.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      for (const auto rank : schedule.block_of(chunk).contributors) chunks_[index_(input(rank, chunk))] = chunk.value;
    }
  }
  std::int32_t advance(const Step& step) {
    const auto chunk = chunks_[index_(step.sources.front())];
    for (const auto& destination : step.destinations) chunks_[index_(destination)] = chunk;
    return chunk;
  }

 private:
  LocationIndex index_;
  std::vector<std::int32_t> chunks_;
};

// The chunk that each step of the list moves, asked for in list order.
class ChunkOfStep {
 public:
  explicit ChunkOfStep(const Schedule& schedule) : schedule_(schedule) {
    if (!schedule.folding().folded()) {
      tracker_.emplace(schedule);
      return;
    }
    const auto base = schedule.base();
    ChunkTracker tracker(base);
    for (std::size_t i = 0; i < base.step_count(); ++i) of_base_.emplace_back(tracker.advance(base.base_step(StepId{static_cast<std::int64_t>(i)})));
  }

  ChunkId operator()(StepId id, const Step& step) {
    if (tracker_) return ChunkId{tracker_->advance(step)};
    const auto [image, base] = schedule_.folding().origin(id);
    const auto chunk = of_base_[base.index()];
    return chunk.value < 0 ? chunk : schedule_.in_image(image, chunk);
  }

 private:
  const Schedule& schedule_;
  std::optional<ChunkTracker> tracker_;  // where it is not folded
  std::vector<ChunkId> of_base_;
};

// Each chunk's share of the payload.
std::vector<double> chunk_fractions(const Schedule& schedule) {
  const auto blocks = block_fractions(schedule.collective(), schedule.blocks());
  std::vector<double> weight_of_block(blocks.size());
  for (const auto& chunk : schedule.chunks()) weight_of_block[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  std::vector<double> fractions;
  for (const auto& chunk : schedule.chunks()) {
    const auto block = static_cast<std::size_t>(chunk.block);
    fractions.push_back(blocks[block] * chunk.weight / weight_of_block[block]);
  }
  return fractions;
}

// The links between an executor and a location, in the direction in which data moves.
std::span<const LinkId> path_of(const Routes& routes, const Schedule& schedule, const Location& location, Rank executor, RouteId route, bool reads) {
  if (route != default_route) return schedule.route(route);
  if (location.buffer == Buffer::host) return reads ? routes.from_host(location.rank, executor) : routes.to_host(executor, location.rank);
  return reads ? routes.between(location.rank, executor) : routes.between(executor, location.rank);
}

// Of a folded schedule whose images carry ranks onto each other: each way once, for all steps of the base that take it or an image of it. None where
// images have other shares. `all`: in all images, else in those that carry one of its ends to a representative.
std::optional<LinkLoads> loads_of_images(const Topology& topology, const Schedule& schedule, const std::vector<double>& fractions, bool all) {
  const auto& routes = topology.routes();
  const auto images = RankImages::of(schedule);
  if (images == nullptr) return std::nullopt;
  const auto count = schedule.base_chunk_count();
  for (std::size_t c = count; c < fractions.size(); ++c) {
    if (fractions[c] != fractions[c % count]) return std::nullopt;
  }
  struct Access {
    Rank executor;
    Location location;
    RouteId route;
    bool reads;
    auto key() const { return std::tuple{executor, location.rank, location.buffer == Buffer::host, route, reads}; }
    bool operator<(const Access& other) const { return key() < other.key(); }
  };
  std::map<Access, double> accesses;
  ChunkOfStep chunk_of(schedule);
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) {
    const StepId base{static_cast<std::int64_t>(i)};
    const auto step = schedule.base_step(base);
    const auto chunk = chunk_of(schedule.folding().id_of(0, base), step);
    if (chunk.value < 0) continue;
    const auto image = images->back(step.executor);
    const auto add = [&](const Location& location, std::size_t operand, bool reads) {
      if (location.rank == step.executor && location.buffer != Buffer::host && step.routes.empty()) return;
      const auto route = step.routes.empty() ? default_route : step.routes[operand];
      const auto place = at(images->moved(image, location.rank), location.buffer, 0);
      accesses[{images->moved(image, step.executor), place, images->moved(image, route), reads}] += fractions[chunk.index()];
    };
    for (std::size_t s = 0; s < step.sources.size(); ++s) add(step.sources[s], s, true);
    for (std::size_t d = 0; d < step.destinations.size(); ++d) add(step.destinations[d], step.sources.size() + d, false);
  }
  LinkLoads loads{std::vector<double>(topology.links().size())};
  for (const auto& each : accesses) {
    const auto& access = each.first;
    const auto add = [&](int i) {
      const auto there = at(images->moved(i, access.location.rank), access.location.buffer, 0);
      const auto path = path_of(routes, schedule, there, images->moved(i, access.executor), images->moved(i, access.route), access.reads);
      for (const auto link : path) loads.per_link[link.index()] += each.second;
    };
    const auto other = images->back(access.location.rank);
    for (int i = 0; all && i < images->images(); ++i) add(i);
    if (all) continue;
    add(0);  // the executor is a representative
    if (other != 0) add(other);
  }
  return loads;
}

}  // namespace

LinkLoads least_link_loads(const Topology& topology, const Schedule& schedule) {
  if (auto folded = loads_of_images(topology, schedule, chunk_fractions(schedule), false)) return *std::move(folded);
  return link_loads(topology, schedule);
}

LinkLoads link_loads(const Topology& topology, const Schedule& schedule) {
  const auto& routes = topology.routes();
  const auto fractions = chunk_fractions(schedule);
  if (auto folded = loads_of_images(topology, schedule, fractions, true)) return *std::move(folded);
  LinkLoads loads{std::vector<double>(topology.links().size())};
  ChunkOfStep chunk_of(schedule);
  StepReader steps(schedule);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const StepId id{static_cast<std::int64_t>(i)};
    const auto step = steps(id);
    const auto chunk = chunk_of(id, step);
    if (chunk.value < 0) continue;
    const auto fraction = fractions[chunk.index()];
    const auto add = [&](const Location& location, std::size_t operand, bool reads) {
      const auto route = step.routes.empty() ? default_route : step.routes[operand];
      for (const auto link : path_of(routes, schedule, location, step.executor, route, reads)) loads.per_link[link.index()] += fraction;
    };
    for (std::size_t s = 0; s < step.sources.size(); ++s) add(step.sources[s], s, true);
    for (std::size_t d = 0; d < step.destinations.size(); ++d) add(step.destinations[d], step.sources.size() + d, false);
  }
  return loads;
}

Bottleneck bottleneck(const Topology& topology, const LinkLoads& loads) {
  const ParallelLinks parallel(topology);
  std::vector<double> together(loads.per_link.size());
  for (std::size_t l = 0; l < together.size(); ++l) together[parallel.first(LinkId{static_cast<std::int64_t>(l)}).index()] += loads.per_link[l];
  double most = 0;
  const MachineLimit* worst = nullptr;
  for (const auto& limit : topology.limits()) {
    const auto sum = [](const auto& links, const std::vector<double>& of) {
      return std::accumulate(links.begin(), links.end(), 0.0, [&](double all, LinkId id) { return all + of[id.index()]; });
    };
    // As routes name the links, or spread over those beside them, whichever costs less.
    const auto [links, rate] = parallel.budget(limit.links, limit.bandwidth);
    const auto spread = sum(links, together) / static_cast<double>(rate.bytes_per_second());
    const bool is_link = limit.kind == MachineLimit::Kind::link;
    const auto named = sum(limit.links, loads.per_link) / static_cast<double>(limit.bandwidth.bytes_per_second());
    const auto cost = is_link ? spread : std::min(named, spread);
    if (cost <= most * (1 + 1e-12)) continue;
    most = cost;
    worst = &limit;
  }
  return worst == nullptr ? Bottleneck{} : Bottleneck{topology.name_of(*worst), most, worst->kind == MachineLimit::Kind::link};
}

int rounds(const Schedule& schedule) {
  if (schedule.folding().folded()) return rounds(schedule.base());  // its images do the same side by side
  const Dependencies dependencies(schedule, false);
  std::vector<int> depth(schedule.step_count());
  std::vector<StepId> before;
  int most = 0;
  for (std::size_t i = 0; i < depth.size(); ++i) {
    const StepId id{static_cast<std::int64_t>(i)};
    const auto step = schedule.base_step(id);
    const auto remote = [&](const Location& l) { return l.rank != step.executor || l.buffer == Buffer::host; };
    for (const auto earlier : dependencies.of(id, before)) depth[i] = std::max(depth[i], depth[earlier.index()]);
    if (std::ranges::any_of(step.sources, remote) || std::ranges::any_of(step.destinations, remote)) ++depth[i];
    most = std::max(most, depth[i]);
  }
  return most;
}

}  // namespace p2plab
