// SPDX-License-Identifier: Apache-2.0
#include "paths/colouring.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace p2plab {

std::uint64_t scattered(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a + 0x9e3779b97f4a7c15ULL * (b + 0x632be59bd9b4e019ULL);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

Colouring::Colouring(const LabelledGraph& graph, std::span<const std::uint64_t> colours)
    : graph_(graph),
      order_(colours.size()),
      place_(colours.size()),
      start_(colours.size()),
      size_(colours.size()),
      is_open_(colours.size()),
      sums_(colours.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(order_, {}, [&](int v) { return colours[at(v)]; });
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const bool same = i > 0 && colours[at(order_[i])] == colours[at(order_[i - 1])];
    const auto v = at(order_[i]);
    place_[v] = static_cast<int>(i);
    start_[v] = same ? start_[at(order_[i - 1])] : static_cast<int>(i);
    if (!same) ask(static_cast<int>(i));
    ++size_[at(start_[v])];
  }
}

void Colouring::single_out(int vertex) {
  const auto number = class_of(vertex);
  trace_ = scattered(trace_, static_cast<std::uint64_t>(number) * 2 + 1);
  if (is_alone(vertex)) return;
  const int last = number + size_[at(number)] - 1;
  move_to(vertex, last);
  cut(number, last);
  ask(last);
}

std::int64_t Colouring::refine() {
  visits_ = 0;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    is_open_[at(open_[i])] = false;
    look_at(open_[i]);
  }
  open_.clear();
  return visits_;
}

void Colouring::go_back(const State& state) {
  while (parted_.size() > state.parted) {
    const auto [number, cut_off] = parted_.back();
    parted_.pop_back();
    for (const auto v : members(cut_off)) start_[at(v)] = number;
    size_[at(number)] += std::exchange(size_[at(cut_off)], 0);
  }
  trace_ = state.trace;
}

// Parts all classes by what leads into this one.
void Colouring::look_at(int number) {
  const auto all = members(number);
  looked_at_.assign(all.begin(), all.end());
  touched_.clear();
  for (const auto v : looked_at_) {
    visits_ += std::ssize(graph_.arcs[at(v)]);
    for (const auto& arc : graph_.arcs[at(v)]) {
      if (sums_[at(arc.other)] == 0) touched_.push_back({class_of(arc.other), 0, arc.other});
      sums_[at(arc.other)] += scattered(arc.label, 1) | 1;
    }
  }
  for (auto& touched : touched_) touched.arcs = std::exchange(sums_[at(touched.vertex)], 0);
  std::ranges::sort(touched_, {}, &Touched::key);
  for (auto first = touched_.begin(); first != touched_.end();) {
    const auto end = std::find_if(first, touched_.end(), [&](const Touched& t) { return t.number != first->number; });
    part({first, end});
    first = end;
  }
}

// Those of one class that were touched go to its end, by their arcs; what has the same arcs stays together.
void Colouring::part(std::span<const Touched> touched) {
  const auto number = touched.front().number;
  const auto size = size_[at(number)];
  for (const auto& one : {touched.front(), touched.back()}) trace_ = scattered(trace_, one.arcs);
  trace_ = scattered(trace_, static_cast<std::uint64_t>(number));
  const bool all = std::cmp_equal(touched.size(), size);
  if (all && touched.front().arcs == touched.back().arcs) return;
  const int begin = number + size - static_cast<int>(touched.size());
  for (std::size_t i = touched.size(); i-- > 0;) move_to(touched[i].vertex, begin + static_cast<int>(i));
  // Cut from the end on; the parts by rising number are then those that were cut off, backwards.
  std::vector<int> parts;
  for (std::size_t i = touched.size(); i-- > 0;) {
    const bool cuts = i > 0 ? touched[i].arcs != touched[i - 1].arcs : !all;
    if (!cuts) continue;
    parts.push_back(begin + static_cast<int>(i));
    trace_ = scattered(trace_, touched[i].arcs);
    trace_ = scattered(trace_, static_cast<std::uint64_t>(parts.back()));
    cut(number, parts.back());
  }
  parts.push_back(number);
  const auto largest = is_open_[at(number)] ? -1 : *std::ranges::max_element(parts, {}, [&](int part) { return size_[at(part)]; });
  for (const auto part : parts) {
    if (part != largest) ask(part);
  }
}

// What stands from this place on becomes a class.
void Colouring::cut(int number, int from) {
  const int end = number + size_[at(number)];
  for (int i = from; i < end; ++i) start_[at(order_[at(i)])] = from;
  size_[at(from)] = end - from;
  size_[at(number)] = from - number;
  parted_.emplace_back(number, from);
}

void Colouring::move_to(int vertex, int place) {
  const int there = order_[at(place)];
  const int here = place_[at(vertex)];
  std::swap(order_[at(place)], order_[at(here)]);
  place_[at(there)] = here;
  place_[at(vertex)] = place;
}

void Colouring::ask(int number) {
  if (is_open_[at(number)]) return;
  is_open_[at(number)] = true;
  open_.push_back(number);
}

}  // namespace p2plab
