// SPDX-License-Identifier: Apache-2.0
// A message enters a part for a byte of the payload. One that passes early holds data of its sender alone, so as many of them as a part has GPUs
// replace a later one: it weighs 1 / GPUs. So does one that passes late, which serves its receiver alone. Of k parts, all-reduce needs a weight of
// 2 (k - 1) for each byte: k - 1 until some part knows all, and one more for each other part after that. Messages that hold data of one part only, or
// serve one part only, need k (k - 1); by y, the share of k - 1 that the others have, (k - 1) (k - (k - 2) y). Proofs: decisions/005.
#include "floors/parted.h"

#include <algorithm>
#include <limits>
#include <set>
#include <span>

#include <boost/iterator/counting_iterator.hpp>
#include <boost/pending/disjoint_sets.hpp>

#include "floors/delays.h"

namespace p2plab {

namespace {

std::set<Bandwidth> widths_of(const Topology& topology) {
  std::set<Bandwidth> widths;
  for (const auto& link : topology.links()) widths.insert(link.bandwidth);
  return widths;
}

// By node: the first of those that wider links than this join with it.
std::vector<int> joined_above(const Topology& topology, Bandwidth width) {
  const auto nodes = topology.nodes().size();
  boost::disjoint_sets_with_storage<> joined(nodes);
  for (const auto& link : topology.links()) {
    if (link.bandwidth > width) joined.union_set(link.from.index(), link.to.index());
  }
  joined.normalize_sets(boost::make_counting_iterator(std::size_t{0}), boost::make_counting_iterator(nodes));
  std::vector<int> of;
  for (std::size_t v = 0; v < nodes; ++v) of.push_back(static_cast<int>(joined.find_set(v)));
  return of;
}

std::vector<int> of_ranks(const Topology& topology, std::span<const int> of_nodes) {
  std::vector<int> of;
  for (int r = 0; r < topology.ranks(); ++r) of.push_back(of_nodes[topology.node_of(Rank{r}).index()]);
  return of;
}

Parts parts_above(const Topology& topology, Bandwidth width, std::span<const double> to_gpus) {
  Parts parts;
  parts.of = joined_above(topology, width);
  parts.rank = of_ranks(topology, parts.of);
  std::vector<int> gpus(topology.nodes().size());
  for (const auto part : parts.rank) ++gpus[static_cast<std::size_t>(part)];
  for (const auto count : gpus) {
    if (count > 0) parts.fewest = ++parts.count == 1 ? count : std::min(parts.fewest, count);
  }
  if (parts.count < 2) return parts;
  const NearestGpus senders(topology, parts.rank);
  parts.near = senders.apart();
  parts.before = parts.after = std::numeric_limits<double>::infinity();
  for (const auto& link : topology.links()) {
    const auto to = parts.of[link.to.index()];
    if (gpus[static_cast<std::size_t>(to)] == 0 || parts.of[link.from.index()] == to) continue;
    parts.capacity += static_cast<double>(link.bandwidth.bytes_per_second());
    parts.before = std::min(parts.before, senders.to(link.from, to));
    parts.after = std::min(parts.after, link.latency.count() + to_gpus[link.to.index()]);
  }
  return parts;
}

// What links carry within a window of the call, those bytes weighed that hold or serve one GPU's data only.
class Window {
 public:
  Window(double capacity, double least, double early, double late) : capacity_(capacity), least_(least), early_(early), late_(late) {}
  double carries(double from, double to) const {
    if (to <= from) return 0;
    const double full = std::max(0.0, std::min(to, late_) - std::max(from, early_));
    return capacity_ * (full + least_ * (to - from - full));
  }

 private:
  double capacity_;
  double least_;
  double early_;  // until then data of one GPU
  double late_;   // from then on for one GPU
};

struct Needs {
  bool sums = false;
  bool spreads = false;
};

bool suffices(const Parts& parts, Needs needs, double bytes, const HopTimes& hops, double time) {
  constexpr double never = 1e18;
  const double k = parts.count;
  const double end = time - hops.end;
  const Window window(parts.capacity * hops.rate, 1.0 / parts.fewest, needs.sums ? hops.begin + hops.gather : -never,
                      needs.spreads ? end - hops.spread : never);
  const double all = window.carries(hops.begin, end);
  if (!needs.sums || !needs.spreads) return all >= bytes * (k - 1);
  const double after_relay = window.carries(hops.begin + hops.relay_in, end);
  const double before_relay = window.carries(hops.begin, end - hops.relay_out);
  const double share = std::min(1.0, std::min(after_relay, before_relay) / (bytes * (k - 1)));
  return all >= bytes * (k - 1) * (k - (k - 2) * share);
}

}  // namespace

std::vector<Parts> partitions(const Topology& topology) {
  std::vector<NodeId> gpus;
  for (int r = 0; r < topology.ranks(); ++r) gpus.push_back(topology.node_of(Rank{r}));
  const auto to_gpus = delays(topology, gpus, Towards::to_them, 0);
  std::vector<Parts> all;
  for (const auto width : widths_of(topology)) {
    auto parts = parts_above(topology, width, to_gpus);
    if (parts.count > 1 && (all.empty() || parts.of != all.back().of)) all.push_back(std::move(parts));
  }
  return all;
}

std::vector<int> coarsest_parts(const Topology& topology) {
  for (const auto width : widths_of(topology)) {
    auto of = of_ranks(topology, joined_above(topology, width));
    const auto parts = std::set<int>(of.begin(), of.end()).size();
    if (parts > 1) return parts < of.size() ? of : std::vector<int>{};
  }
  return {};
}

double parted_floor(const Parts& parts, CollectiveKind kind, double bytes, const HopTimes& hops) {
  using enum CollectiveKind;
  const Needs needs{reduces(kind), kind == all_reduce || kind == all_gather || kind == broadcast};
  if ((!needs.sums && !needs.spreads) || bytes <= 0 || parts.capacity <= 0) return 0;
  double low = 0;
  double high = hops.begin + hops.end + 1e-6;
  constexpr double longest = 1e6;
  while (high < longest && !suffices(parts, needs, bytes, hops, high)) high *= 2;
  if (high >= longest) return 0;
  constexpr int halvings = 60;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (low + high) / 2;
    (suffices(parts, needs, bytes, hops, middle) ? high : low) = middle;
  }
  return low;
}

}  // namespace p2plab
