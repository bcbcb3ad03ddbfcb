// SPDX-License-Identifier: Apache-2.0
#include "segments/staging.h"

#include <algorithm>

#include "p2plab/schedule/step_reader.h"

namespace p2plab::segments {

namespace {

class Staging {
 public:
  Staging(const Schedule& schedule, const Servers& servers)
      : schedule_(schedule), servers_(servers), fresh_(static_cast<std::size_t>(schedule.ranks())), wires_(fresh_.size()) {}

  std::vector<StagedStep> run() {
    StepReader steps(schedule_);
    for (std::size_t i = 0; i < schedule_.step_count(); ++i) {
      const auto step = steps(StepId{static_cast<std::int64_t>(i)});
      if (step.sources.size() == 1)
        copy(step);
      else
        sum(step);
    }
    place_wires();
    return std::move(steps_);
  }

 private:
  struct Ends {
    std::vector<Location> places;
    std::vector<RouteId> routes;
  };

  RouteId route(const Step& step, std::size_t which) const { return step.routes.empty() ? default_route : step.routes[which]; }

  // The destinations of a step in one server.
  Ends destinations_in(const Step& step, int server) const {
    Ends found;
    for (std::size_t d = 0; d < step.destinations.size(); ++d) {
      if (servers_.of[step.destinations[d].rank.index()] != server) continue;
      found.places.push_back(step.destinations[d]);
      found.routes.push_back(route(step, step.sources.size() + d));
    }
    return found;
  }

  void local(Rank executor, const Ends& from, const Ends& to) {
    StagedStep step{.executor = executor, .sources = from.places, .destinations = to.places, .routes = from.routes};
    step.routes.insert(step.routes.end(), to.routes.begin(), to.routes.end());
    if (std::ranges::all_of(step.routes, [](RouteId id) { return id == default_route; })) step.routes.clear();
    steps_.push_back(std::move(step));
  }

  void message(const Location& from, const Location& to) {
    const auto wire = scratch(to.rank, wires_[to.rank.index()]++);
    steps_.push_back({.role = Role::send, .executor = from.rank, .sources = {from}, .destinations = {wire}, .routes = {}});
    steps_.push_back({.role = Role::receive, .executor = to.rank, .sources = {wire}, .destinations = {to}, .routes = {}});
  }

  Location fresh(Rank rank) { return scratch(rank, schedule_.slots(rank, Buffer::scratch) + fresh_[rank.index()]++); }

  // Only the owners of what is read and written take part. A server whose own rank fetches the data gets it once.
  void copy(const Step& step) {
    const auto& from = step.sources[0];
    const auto home = servers_.of[from.rank.index()];
    const bool at_home = servers_.of[step.executor.index()] == home;
    for (int server = 0; server < servers_.count(); ++server) {
      const auto to = destinations_in(step, server);
      if (to.places.empty()) continue;
      if (server == home)
        local(at_home ? step.executor : from.rank, {{from}, {at_home ? route(step, 0) : default_route}}, at_home ? to : without_routes(to));
      else if (!at_home && servers_.of[step.executor.index()] == server)
        fetch(step.executor, from, to);
      else
        for (const auto& place : to.places) message(from, place);
    }
  }

  static Ends without_routes(Ends ends) {
    ends.routes.assign(ends.places.size(), default_route);
    return ends;
  }

  void fetch(Rank executor, const Location& from, Ends to) {
    const auto own = std::ranges::find(to.places, executor, &Location::rank);
    const auto at = own == to.places.end() ? 0 : own - to.places.begin();
    const auto place = to.places[static_cast<std::size_t>(at)];
    message(from, place);
    to.places.erase(to.places.begin() + at);
    to.routes.erase(to.routes.begin() + at);
    if (to.places.empty()) return;
    const bool keeps = place.rank == executor;
    local(place.rank, {{place}, {default_route}}, keeps ? to : without_routes(to));
  }

  // What comes from elsewhere is received first; what goes elsewhere is sent from where the sum lies.
  void sum(const Step& step) {
    const auto server = servers_.of[step.executor.index()];
    Ends from;
    for (std::size_t s = 0; s < step.sources.size(); ++s) {
      const auto& source = step.sources[s];
      const bool near = servers_.of[source.rank.index()] == server;
      from.places.push_back(near ? source : fresh(step.executor));
      from.routes.push_back(near ? route(step, s) : default_route);
      if (!near) message(source, from.places.back());
    }
    auto to = destinations_in(step, server);
    if (to.places.empty()) to = {{fresh(step.executor)}, {default_route}};
    const auto own = std::ranges::find(to.places, step.executor, &Location::rank);
    const auto value = own == to.places.end() ? to.places.front() : *own;
    local(step.executor, from, to);
    for (const auto& place : step.destinations) {
      if (servers_.of[place.rank.index()] != server) message(value, place);
    }
  }

  void place_wires() {
    for (auto& step : steps_) {
      if (step.role == Role::local) continue;
      auto& wire = step.role == Role::send ? step.destinations[0] : step.sources[0];
      const auto rank = wire.rank.index();
      wire = scratch(wire.rank, schedule_.slots(wire.rank, Buffer::scratch) + fresh_[rank] + static_cast<std::int64_t>(wire.slot));
    }
  }

  const Schedule& schedule_;
  const Servers& servers_;
  std::vector<std::int64_t> fresh_;  // by rank: new slots so far
  std::vector<std::int64_t> wires_;
  std::vector<StagedStep> steps_;
};

}  // namespace

std::vector<StagedStep> stage_steps(const Schedule& schedule, const Servers& servers) { return Staging(schedule, servers).run(); }

Result<Schedule> schedule_of(const Schedule& schedule, const std::vector<StagedStep>& steps) {
  auto builder = Schedule::Builder::create(schedule.collective(), schedule.ranks());
  if (!builder) return std::move(builder).error();
  for (const auto& chunk : schedule.chunks()) builder->add_chunk(chunk);
  for (std::size_t r = 0; r < schedule.route_count(); ++r) builder->add_route(schedule.route(RouteId{static_cast<std::int64_t>(r)}));
  for (const auto& step : steps) builder->add_step(step.executor, step.sources, step.destinations, step.routes);
  return std::move(*builder).build();
}

}  // namespace p2plab::segments
