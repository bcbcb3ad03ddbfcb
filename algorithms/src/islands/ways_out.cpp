// SPDX-License-Identifier: Apache-2.0
#include "islands/ways_out.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

constexpr std::size_t fewest_islands = 3;  // of two nobody knows which one is not as it should be
constexpr std::size_t neighbours = 3;      // that an island is tried with: some may be the broken ones
constexpr double rounding_of_times = 1e-9;
constexpr double endless = std::numeric_limits<double>::infinity();

bool joined(const Routes& routes, Rank a, Rank b) { return routes.connected(a, b) && routes.connected(b, a); }

// Where a shard goes from one island to another, and back.
struct ShardPath {
  Rank from;
  Rank through;
  Rank to;
};

// Shards on links, there and back.
class Loads {
 public:
  explicit Loads(const Topology& topology) : topology_(topology), shards_(topology.links().size()) {}

  void add(const ShardPath& way, int shards) {
    each(way, [&](LinkId link) { shards_[link.index()] += shards; });
  }
  // What the slowest link of a way takes with so many shards more.
  double time(const ShardPath& way, int more) const {
    double most = 0;
    each(way, [&](LinkId link) { most = std::max(most, seconds(link, more)); });
    return most;
  }

 private:
  template <class Visit>
  void each(const ShardPath& way, const Visit& visit) const {
    const auto& routes = topology_.routes();
    for (const auto& [a, b] : {std::pair{way.from, way.through}, std::pair{way.through, way.to}}) {
      for (const auto link : routes.between(a, b)) visit(link);
      for (const auto link : routes.between(b, a)) visit(link);
    }
  }
  double seconds(LinkId link, int more) const {
    return (shards_[link.index()] + more) / static_cast<double>(topology_.link(link).bandwidth.bytes_per_second());
  }

  const Topology& topology_;
  std::vector<int> shards_;
};

// The time of one shard a member from an island to one like it; endless where some member has no way.
double time_between(const Topology& topology, std::span<const Rank> island, std::span<const Rank> other) {
  Loads loads(topology);
  for (std::size_t d = 0; d < island.size(); ++d) {
    if (!joined(topology.routes(), island[d], other[d])) return endless;
    loads.add({island[d], other[d], other[d]}, 1);
  }
  double most = 0;
  for (std::size_t d = 0; d < island.size(); ++d) most = std::max(most, loads.time({island[d], other[d], other[d]}, 0));
  return most;
}

// An island's shards among its members, turn by turn, beside an island that is whole.
class Sharing {
 public:
  Sharing(const Topology& topology, std::span<const Rank> island, std::span<const Rank> whole, std::size_t turns)
      : loads_(topology), island_(island), whole_(whole), turns_(turns), ways_(island.size() * whole.size()), in_charge_(whole.size() * turns) {
    for (std::size_t place = 0; place < island.size(); ++place) {
      for (std::size_t d = 0; d < whole.size(); ++d) {
        const auto through = passes_through(topology, whole, whole[d], island[place]);
        if (through) ways_[place * whole.size() + d] = ShardPath{island[place], *through, whole[d]};
      }
    }
  }

  bool share() {
    const auto first = direct_places();
    for (std::size_t d = 0; d < whole_.size(); ++d) {
      for (std::size_t turn = 0; first[d] && turn < turns_; ++turn) put(d, turn, *first[d]);
    }
    for (std::size_t turn = 0; turn < turns_; ++turn) {
      for (std::size_t d = 0; d < whole_.size(); ++d) {
        if (first[d]) continue;
        const auto to = quickest(d);
        if (!to) return false;
        put(d, turn, *to);
      }
    }
    while (move_one()) {
    }
    return true;
  }

  // Of all shards of a turn.
  double time() const {
    double most = 0;
    for (std::size_t k = 0; k < in_charge_.size(); ++k) most = std::max(most, time_of(k));
    return most / static_cast<double>(turns_);
  }

  std::vector<std::uint16_t> in_charge() && { return std::move(in_charge_); }

 private:
  const std::optional<ShardPath>& way(std::size_t place, std::size_t d) const { return ways_[place * whole_.size() + d]; }
  bool direct(std::size_t place, std::size_t d) const { return way(place, d) && way(place, d)->through == whole_[d]; }

  // By shard: who carries it without a detour, the member at its place or one whose own place it is not; none where nobody does.
  std::vector<std::optional<std::size_t>> direct_places() const {
    std::vector<std::optional<std::size_t>> places(whole_.size());
    std::vector<bool> taken(island_.size());
    for (std::size_t d = 0; d < std::min(whole_.size(), island_.size()); ++d) {
      if (direct(d, d)) places[d] = d, taken[d] = true;
    }
    for (std::size_t d = 0; d < whole_.size(); ++d) {
      for (std::size_t place = 0; place < island_.size() && !places[d]; ++place) {
        if (!taken[place] && direct(place, d)) places[d] = place, taken[place] = true;
      }
    }
    return places;
  }

  void put(std::size_t d, std::size_t turn, std::size_t place) {
    in_charge_[d * turns_ + turn] = static_cast<std::uint16_t>(place);
    loads_.add(*way(place, d), 1);
  }
  double time_of(std::size_t k) const { return loads_.time(*way(in_charge_[k], k / turns_), 0); }

  // Who would carry one shard more in the least time: the one at its place among equals.
  std::optional<std::size_t> quickest(std::size_t d) const {
    std::optional<std::size_t> best;
    double least = endless;
    for (std::size_t k = 0; k < island_.size(); ++k) {
      const auto place = (d + k) % island_.size();
      if (!way(place, d)) continue;
      const auto time = loads_.time(*way(place, d), 1);
      if (time >= least * (1 - rounding_of_times)) continue;
      best = place;
      least = time;
    }
    return best;
  }

  // Of the shards that take longest one that another member carries in less time. Those of a member are taken from turns far apart.
  bool move_one() {
    const auto stride = far_apart();
    const auto longest = time() * static_cast<double>(turns_) * (1 - rounding_of_times);
    for (std::size_t d = 0; d < whole_.size(); ++d) {
      for (std::size_t k = 0; k < turns_; ++k) {
        const auto at = d * turns_ + k * stride % turns_;
        const auto slowest = time_of(at);
        if (slowest < longest) continue;
        const auto from = in_charge_[at];
        loads_.add(*way(from, d), -1);
        const auto to = quickest(d);
        const bool gains = to && loads_.time(*way(*to, d), 1) < slowest * (1 - rounding_of_times);
        put(d, at % turns_, gains ? *to : from);
        if (gains) return true;
      }
    }
    return false;
  }

  std::size_t far_apart() const {
    constexpr double golden = 0.618;
    auto stride = std::max<std::size_t>(1, static_cast<std::size_t>(golden * static_cast<double>(turns_)));
    while (std::gcd(stride, turns_) != 1) ++stride;
    return stride;
  }

  Loads loads_;
  std::span<const Rank> island_;
  std::span<const Rank> whole_;
  std::size_t turns_;
  std::vector<std::optional<ShardPath>> ways_;  // by member and shard
  std::vector<std::uint16_t> in_charge_;
};

// As many of the fastest islands as make the slowest of all quickest. Of n islands, of which k reduce, who reduces sends 1 + (n - 2) / k payloads,
// the others one.
std::vector<std::size_t> reducers_of(std::span<const double> times) {
  const auto n = times.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t island) { return times[island]; });
  std::size_t best = n;
  double least = endless;
  for (auto k = n; k > 0; --k) {
    const auto of_reducers = (1 + static_cast<double>(n - 2) / static_cast<double>(k)) * times[order[k - 1]];
    const auto of_others = k < n ? times[order.back()] : 0;
    if (const auto time = std::max(of_reducers, of_others); time < least * (1 - rounding_of_times)) best = k, least = time;
  }
  order.resize(best);
  std::ranges::sort(order);
  return order;
}

}  // namespace

bool WaysOut::all_alike() const {
  return std::ranges::all_of(in_charge, [](const auto& places) { return places.empty(); });
}

std::optional<Rank> passes_through(const Topology& topology, std::span<const Rank> island, Rank inside, Rank outside) {
  const auto& routes = topology.routes();
  const auto first = static_cast<std::size_t>(std::ranges::find(island, inside) - island.begin());
  for (std::size_t k = 0; k < island.size(); ++k) {
    const auto rank = island[(first + k) % island.size()];
    if (joined(routes, outside, rank) && (rank == inside || joined(routes, rank, inside))) return rank;
  }
  return std::nullopt;
}

WaysOut find_ways_out(const Topology& topology, std::span<const std::vector<Rank>> islands) {
  const auto n = islands.size();
  WaysOut ways{std::vector<std::vector<std::uint16_t>>(n), std::vector<std::size_t>(n)};
  std::iota(ways.reducers.begin(), ways.reducers.end(), std::size_t{0});
  const auto width = std::ranges::max(islands, {}, [](const auto& island) { return island.size(); }).size();
  std::vector<std::size_t> full;
  for (std::size_t i = 0; i < n; ++i) {
    if (islands[i].size() == width) full.push_back(i);
  }
  if (n < fewest_islands || full.size() < 2) return ways;
  std::vector<double> times(n, endless);
  for (std::size_t k = 0; k < full.size(); ++k) {
    for (std::size_t away = 1; away <= std::min(neighbours, full.size() - 1); ++away) {
      auto& time = times[full[k]];
      time = std::min(time, time_between(topology, islands[full[k]], islands[full[(k + away) % full.size()]]));
    }
  }
  const auto whole = static_cast<std::size_t>(std::ranges::min_element(times) - times.begin());
  if (times[whole] == endless) return ways;
  for (std::size_t i = 0; i < n; ++i) {
    if (times[i] <= times[whole] * (1 + rounding_of_times)) continue;
    Sharing sharing(topology, islands[i], islands[whole], n);
    if (!sharing.share()) return {std::vector<std::vector<std::uint16_t>>(n), std::move(ways.reducers)};
    times[i] = sharing.time();
    ways.in_charge[i] = std::move(sharing).in_charge();
  }
  ways.reducers = reducers_of(times);
  return ways;
}

}  // namespace p2plab
