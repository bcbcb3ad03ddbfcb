// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/islands.h"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/detail/symmetry.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/routes.h"
#include "structure/ways_between.h"

namespace p2plab {

namespace {

using Partition = std::vector<std::vector<Rank>>;

constexpr std::size_t many_parts = 32;  // from here on one of each kind is looked at

// The first of each kind of parts that the machine's symmetries carry onto each other.
Partition one_of_each_kind(const Topology& topology, const Partition& parts) {
  std::vector<std::int32_t> part_of(topology.nodes().size(), -1);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (const auto rank : parts[p]) part_of[topology.node_of(rank).index()] = static_cast<std::int32_t>(p);
  }
  std::vector<std::vector<std::int32_t>> moved;
  for (const auto& generator : topology.symmetries()) {
    std::vector<std::int32_t> to;
    for (const auto& part : parts) {
      const auto image = [&](Rank rank) { return part_of[static_cast<std::size_t>(generator.nodes[topology.node_of(rank).index()])]; };
      const bool whole = std::ranges::all_of(part, [&](Rank rank) { return image(rank) == image(part.front()); });
      if (!whole) break;
      to.push_back(image(part.front()));
    }
    if (to.size() == parts.size()) moved.push_back(std::move(to));
  }
  std::vector<const std::vector<std::int32_t>*> images;
  for (const auto& image : moved) images.push_back(&image);
  const auto orbit = orbits(parts.size(), images);
  Partition kinds;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (orbit[p] == static_cast<int>(kinds.size())) kinds.push_back(parts[p]);
  }
  return kinds;
}

class Finder {
 public:
  Finder(const Topology& topology, double ratio)
      : topology_(topology), ratio_(ratio), ranks_(static_cast<std::size_t>(topology.ranks())), ways_(topology), degrees_(degrees(topology)) {}

  std::vector<IslandLevel> levels() {
    add_by_width();
    add_by_distance();
    std::ranges::sort(levels_, {}, [](const IslandLevel& level) { return -static_cast<std::int64_t>(level.islands.size()); });
    return std::move(levels_);
  }

 private:
  // By kind of connection: is it as asked?
  template <class Asked>
  std::vector<char> kinds_that(const Asked& asked) const {
    std::vector<char> are;
    for (std::uint32_t kind = 0; kind < ways_.count(); ++kind) are.push_back(asked(kind) ? 1 : 0);
    return are;
  }

  Partition components(const std::vector<char>& joins) const {
    std::vector<std::size_t> part(ranks_, ranks_);
    Partition parts;
    for (std::size_t seed = 0; seed < ranks_; ++seed) {
      if (part[seed] != ranks_) continue;
      std::vector<std::size_t> reached{seed};
      part[seed] = parts.size();
      for (std::size_t next = 0; next < reached.size(); ++next) {
        for (std::size_t other = 0; other < ranks_; ++other) {
          if (part[other] != ranks_ || joins[ways_.kind(reached[next], other)] == 0) continue;
          part[other] = parts.size();
          reached.push_back(other);
        }
      }
      std::ranges::sort(reached);
      parts.emplace_back();
      for (const auto rank : reached) parts.back().emplace_back(static_cast<std::int64_t>(rank));
    }
    return parts;
  }

  bool trivial(const Partition& parts) const { return parts.size() < 2 || parts.size() == ranks_; }

  // The widest route between two parts.
  std::int64_t widest_across(const Partition& parts) const {
    std::vector<std::size_t> part(ranks_);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      for (const auto rank : parts[p]) part[rank.index()] = p;
    }
    std::vector<char> across(ways_.count());
    for (std::size_t a = 0; a < ranks_; ++a) {
      for (std::size_t b = a + 1; b < ranks_; ++b) {
        if (part[a] != part[b]) across[ways_.kind(a, b)] = 1;
      }
    }
    std::int64_t widest = 0;
    for (std::uint32_t kind = 0; kind < across.size(); ++kind) widest = across[kind] != 0 ? std::max(widest, ways_.wider(kind)) : widest;
    return widest;
  }

  void add_by_width() {
    std::set<std::int64_t, std::greater<>> widths;
    for (std::uint32_t kind = 0; kind < ways_.count(); ++kind) widths.insert(ways_.width(kind));
    widths.erase(0);
    for (const auto least : widths) {
      auto parts = components(kinds_that([&](std::uint32_t kind) { return ways_.width(kind) >= least; }));
      if (trivial(parts)) continue;
      const auto across = widest_across(parts);
      if (static_cast<double>(least) < ratio_ * static_cast<double>(across)) continue;
      const auto inside = Bandwidth::bytes_per_second(least);
      const auto outside = Bandwidth::bytes_per_second(across);
      const auto way_out = across == 0 ? std::string{"no route between them"} : fmt::format("at most {} between them", to_string(outside));
      keep({std::move(parts), inside, outside, fmt::format("routes of {} and more inside, {}", to_string(inside), way_out)});
    }
  }

  void add_by_distance() {
    std::set<std::pair<RouteClass, std::size_t>> distances;
    for (std::uint32_t kind = 0; kind < ways_.count(); ++kind) distances.insert(ways_.distance(kind));
    for (const auto& most : distances) {
      if (most.first == RouteClass::none) continue;
      auto parts = components(kinds_that([&](std::uint32_t kind) { return ways_.distance(kind) <= most; }));
      if (trivial(parts)) continue;
      const auto narrowest = narrowest_way_out(parts);
      if (narrowest < ratio_) continue;
      const auto inside = Bandwidth::bytes_per_second(least_inside(parts, most));
      const auto across = Bandwidth::bytes_per_second(widest_across(parts));
      keep({std::move(parts), inside, across,
            fmt::format("{}; a GPU's share of the way out is {:.3g} times narrower than its own links", words(most), narrowest)});
    }
  }

  // Over all parts, the least of: what a rank of it can send, over its share of the way out of the part.
  double narrowest_way_out(const Partition& parts) const {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& part : parts.size() < many_parts ? parts : one_of_each_kind(topology_, parts)) {
      if (part.size() == 1) continue;
      std::vector<Rank> rest;
      auto own = std::numeric_limits<std::int64_t>::max();
      for (std::size_t r = 0; r < ranks_; ++r) {
        const Rank rank{static_cast<std::int64_t>(r)};
        if (std::ranges::find(part, rank) == part.end()) rest.push_back(rank);
      }
      for (const auto rank : part) own = std::min(own, degrees_[rank.index()].out.bytes_per_second());
      const auto out = capacity_between(topology_, part, rest).bytes_per_second();
      least = std::min(least, static_cast<double>(own) * static_cast<double>(part.size()) / static_cast<double>(std::max<std::int64_t>(out, 1)));
    }
    return least;
  }

  std::int64_t least_inside(const Partition& parts, const std::pair<RouteClass, std::size_t>& most) const {
    auto least = std::numeric_limits<std::int64_t>::max();
    for (const auto& part : parts) {
      for (const auto a : part) {
        for (const auto b : part) {
          if (a == b) continue;
          const auto kind = ways_.kind(a.index(), b.index());
          if (ways_.distance(kind) <= most) least = std::min(least, ways_.width(kind));
        }
      }
    }
    return least;
  }

  static std::string words(const std::pair<RouteClass, std::size_t>& distance) {
    switch (distance.first) {
      case RouteClass::fabric: return fmt::format("joined by at most {} switches", distance.second);
      case RouteClass::pcie_switch: return "on one PCIe switch";
      case RouteClass::host: return "on one socket";
      case RouteClass::between_hosts: return "in one server";
      default: return fmt::format("within {} network hops", distance.second);
    }
  }

  static bool refines(const Partition& fine, const Partition& coarse) {
    return std::ranges::all_of(
        fine, [&](const auto& part) { return std::ranges::any_of(coarse, [&](const auto& whole) { return std::ranges::includes(whole, part); }); });
  }

  void keep(IslandLevel level) {
    for (const auto& other : levels_) {
      if (other.islands == level.islands) return;
      if (!refines(other.islands, level.islands) && !refines(level.islands, other.islands)) return;
    }
    levels_.push_back(std::move(level));
  }

  const Topology& topology_;
  double ratio_;
  std::size_t ranks_;
  WaysBetween ways_;
  std::vector<Degree> degrees_;
  std::vector<IslandLevel> levels_;
};

}  // namespace

RouteClass route_class(const Topology& topology, Rank from, Rank to) { return class_of_path(topology, topology.routes().between(from, to)); }

std::vector<IslandLevel> find_islands(const Topology& topology, double ratio) { return Finder(topology, ratio).levels(); }

}  // namespace p2plab
