// SPDX-License-Identifier: Apache-2.0
#include "mutations.h"

#include <algorithm>
#include <array>

namespace p2plab::test {

namespace {

constexpr std::array buffers{Buffer::input, Buffer::output, Buffer::scratch, Buffer::host};

template <class T>
auto nth(std::vector<T>& list, std::size_t which) {
  return list.begin() + static_cast<std::ptrdiff_t>(which);
}

// A location that has moved leaves its explicit route behind.
void by_default_route(EditedStep& step, std::size_t which) {
  if (!step.routes.empty()) step.routes[which] = default_route;
}

}  // namespace

Mutator::Mutant Mutator::deleted() {
  edit_.steps.erase(nth(edit_.steps, any_step()));
  return edit_;
}

Mutator::Mutant Mutator::added_again() {
  auto& step = edit_.steps[any_step()];
  const auto which = below(step.sources.size());
  const auto source = step.sources[which];
  step.sources.insert(nth(step.sources, which), source);
  if (!step.routes.empty()) step.routes.insert(nth(step.routes, which), RouteId{step.routes[which]});
  return edit_;
}

Mutator::Mutant Mutator::run_again() {
  const auto i = any_step();
  const auto& step = edit_.steps[i];
  replay_.restart();
  std::vector<std::size_t> places;
  for (auto place = i + 1; place <= edit_.steps.size(); ++place) {
    replay_.run_to(place);
    const auto again = replay_.sum_of(step.sources);
    const auto changed = [&](const Location& to) { return replay_.at(to) != again && is_needed(to, place); };
    if (std::ranges::any_of(step.destinations, changed)) places.push_back(place);
  }
  if (places.empty()) return std::nullopt;
  const auto again = step;
  edit_.steps.insert(nth(edit_.steps, places[below(places.size())]), again);
  return edit_;
}

Mutator::Mutant Mutator::source_redirected() {
  const auto i = any_step();
  replay_.restart();
  replay_.run_to(i);
  auto& step = edit_.steps[i];
  const auto which = below(step.sources.size());
  const auto old = step.sources[which];
  const auto moved = redirected(old);
  if (replay_.at(moved) == replay_.at(old)) return std::nullopt;
  step.sources[which] = moved;
  by_default_route(step, which);
  return edit_;
}

Mutator::Mutant Mutator::destination_redirected() {
  auto& step = edit_.steps[any_step()];
  const auto which = below(step.destinations.size());
  const auto moved = redirected(step.destinations[which]);
  if (replay_.same_place(moved, step.destinations[which])) return std::nullopt;
  step.destinations[which] = moved;
  by_default_route(step, step.sources.size() + which);
  return edit_;
}

Mutator::Mutant Mutator::swapped() {
  const auto i = any_step();
  const auto before = dependencies_.of(StepId{static_cast<std::int64_t>(i)}, before_);
  if (before.empty()) return std::nullopt;
  const auto earlier = before[below(before.size())].index();
  if (!alters(earlier, i) && !alters(i, earlier)) return std::nullopt;
  std::swap(edit_.steps[i], edit_.steps[earlier]);
  return edit_;
}

Mutator::Mutant Mutator::source_dropped() {
  auto& step = edit_.steps[any_step()];
  if (step.sources.size() < 2) return std::nullopt;
  const auto which = below(step.sources.size());
  step.sources.erase(nth(step.sources, which));
  if (!step.routes.empty()) step.routes.erase(nth(step.routes, which));
  return edit_;
}

Mutator::Mutant Mutator::executor_out_of_reach() { return executor_changed(false); }

Mutator::Mutant Mutator::route_spoilt() {
  auto& step = edit_.steps[any_step()];
  const auto which = below(std::max<std::size_t>(1, step.routes.size()));
  if (step.routes.empty() || step.routes[which] == default_route) return std::nullopt;
  auto& links = edit_.routes[step.routes[which].index()];
  const auto& other = edit_.routes[below(edit_.routes.size())];
  if (links.front() != other.front() && links.back() != other.back() && chance()) {
    step.routes[which] = RouteId{&other - edit_.routes.data()};
  } else {
    links.erase(chance() ? links.begin() : links.end() - 1);
  }
  return edit_;
}

Mutator::Mutant Mutator::repeated_at_once() {
  const auto i = any_step();
  const auto step = edit_.steps[i];
  const auto read = [&](const Location& to) {
    return std::ranges::any_of(step.sources, [&](const Location& from) { return replay_.same_place(from, to); });
  };
  if (std::ranges::any_of(step.destinations, read)) return std::nullopt;
  edit_.steps.insert(nth(edit_.steps, i), step);
  return edit_;
}

Mutator::Mutant Mutator::same_value_elsewhere() {
  const auto i = any_step();
  replay_.restart();
  replay_.run_to(i);
  auto& step = edit_.steps[i];
  const auto which = below(step.sources.size());
  const auto old = step.sources[which];
  std::vector<Location> equal;
  for (int r = 0; r < edit_.ranks; ++r) {
    for (const auto buffer : buffers) {
      for (int slot = 0; slot < good_.schedule.slots(Rank{r}, buffer); ++slot) {
        const auto place = at(Rank{r}, buffer, slot);
        if (!replay_.same_place(place, old) && replay_.at(place) == replay_.at(old) && reads(step.executor, place)) equal.push_back(place);
      }
    }
  }
  if (equal.empty()) return std::nullopt;
  step.sources[which] = equal[below(equal.size())];
  by_default_route(step, which);
  return edit_;
}

Mutator::Mutant Mutator::executor_in_reach() { return executor_changed(true); }
Mutator::Mutant Mutator::neighbours_swapped() {
  const auto i = any_step();
  if (i == 0 || std::ranges::count(dependencies_.of(StepId{static_cast<std::int64_t>(i)}, before_), StepId{static_cast<std::int64_t>(i) - 1}) > 0)
    return std::nullopt;
  std::swap(edit_.steps[i], edit_.steps[i - 1]);
  return edit_;
}

// Another rank, another buffer or another slot; slots go one beyond those in use.
Location Mutator::redirected(const Location& old) {
  switch (below(3)) {
    case 0: return at(Rank{static_cast<std::int64_t>(below(static_cast<std::size_t>(edit_.ranks)))}, old.buffer, old.slot);
    case 1: return at(old.rank, buffers[below(buffers.size())], old.slot);
    default:
      return at(old.rank, old.buffer, static_cast<std::int64_t>(below(static_cast<std::size_t>(good_.schedule.slots(old.rank, old.buffer)) + 1)));
  }
}

bool Mutator::reads(Rank executor, const Location& from) const {
  return from.buffer == Buffer::host ? !good_.routes.from_host(from.rank, executor).empty() : good_.routes.connected(from.rank, executor);
}

bool Mutator::writes(Rank executor, const Location& to) const {
  return to.buffer == Buffer::host ? !good_.routes.to_host(executor, to.rank).empty() : good_.routes.connected(executor, to.rank);
}

// Does a step from `from` on read what lies in `place` then, or a receiver have it at the end?
bool Mutator::is_needed(const Location& place, std::size_t from) const {
  const auto same = [&](const Location& other) { return replay_.same_place(place, other); };
  for (auto i = from; i < edit_.steps.size(); ++i) {
    if (std::ranges::any_of(edit_.steps[i].sources, same)) return true;
    if (std::ranges::any_of(edit_.steps[i].destinations, same)) return false;
  }
  return place.buffer == Buffer::output;
}

// Does a step write something new to a place that another one reads or writes?
bool Mutator::alters(std::size_t writer, std::size_t other) {
  replay_.restart();
  replay_.run_to(writer);
  const auto sum = replay_.sum_of(edit_.steps[writer].sources);
  return std::ranges::any_of(edit_.steps[writer].destinations, [&](const Location& to) {
    const auto same = [&](const Location& place) { return replay_.same_place(to, place); };
    const auto& step = edit_.steps[other];
    return replay_.at(to) != sum && (std::ranges::any_of(step.sources, same) || std::ranges::any_of(step.destinations, same));
  });
}

Mutator::Mutant Mutator::executor_changed(bool in_reach) {
  auto& step = edit_.steps[any_step()];
  const Rank other{static_cast<std::int64_t>(below(static_cast<std::size_t>(edit_.ranks)))};
  if (other == step.executor || !step.routes.empty()) return std::nullopt;
  const bool reaches = std::ranges::all_of(step.sources, [&](const Location& from) { return reads(other, from); }) &&
                       std::ranges::all_of(step.destinations, [&](const Location& to) { return writes(other, to); });
  if (reaches != in_reach) return std::nullopt;
  step.executor = other;
  return edit_;
}

}  // namespace p2plab::test
