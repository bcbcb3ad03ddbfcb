// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "bounds/placing.h"

namespace p2plab {

namespace {

using namespace placing;

// Parts a machine into groups, best first by the slowest group, then by all of them.
class GroupSearch {
 public:
  GroupSearch(const std::vector<Subset>& all, const std::vector<const Placement*>& values, int n, int groups)
      : all_(all), values_(values), used_(static_cast<std::size_t>(n)), groups_(static_cast<std::size_t>(groups)) {
    order_.resize(all.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::stable_sort(order_, [&](std::size_t a, std::size_t b) { return taken_before(*values_[a], *values_[b]); });
  }

  std::vector<std::size_t> run() {
    extend(0);
    return best_;
  }

 private:
  double worth(const std::vector<std::size_t>& chosen) const {
    double least = std::numeric_limits<double>::infinity();
    double sum = 0;
    double delay = 0;
    for (const auto i : chosen) {
      least = std::min(least, values_[i]->busbw_gbps);
      sum += values_[i]->busbw_gbps;
      delay += values_[i]->latency.count();
    }
    return least * 1e6 + sum - delay;
  }

  void extend(std::size_t from) {
    if (tried_ > most_subsets) return;
    if (chosen_.size() == groups_) {
      ++tried_;
      if (best_.empty() || worth(chosen_) > worth(best_) * (1 + 1e-12)) best_ = chosen_;
      return;
    }
    for (auto place = from; place < order_.size(); ++place) {
      const auto i = order_[place];
      // Sets come best first, so no later one raises the least.
      if (!best_.empty() && values_[i]->busbw_gbps * 1e6 * (1 + 1e-9) < std::floor(worth(best_) / 1e6) * 1e6) return;
      if (std::ranges::any_of(all_[i], [&](int rank) { return used_[static_cast<std::size_t>(rank)]; })) continue;
      for (const int rank : all_[i]) used_[static_cast<std::size_t>(rank)] = true;
      chosen_.push_back(i);
      extend(place + 1);
      chosen_.pop_back();
      for (const int rank : all_[i]) used_[static_cast<std::size_t>(rank)] = false;
      if (++tried_ > most_subsets) return;
    }
  }

  const std::vector<Subset>& all_;
  const std::vector<const Placement*>& values_;
  std::vector<bool> used_;
  std::size_t groups_;
  std::vector<std::size_t> order_;
  std::vector<std::size_t> chosen_;
  std::vector<std::size_t> best_;
  double tried_ = 0;
};

}  // namespace

Result<std::vector<Placement>> place_groups(const Topology& topology, int size, int groups, CollectiveKind kind) {
  if (groups < 1 || size < 1 || size * groups > topology.ranks()) {
    return Error{ErrorCode::invalid_input, fmt::format("{} groups of {} GPUs are more than the {} of this machine", groups, size, topology.ranks())};
  }
  if (auto ok = check(topology.ranks(), size, kind); !ok) return std::move(ok).error();
  if (auto ok = few_enough(topology.ranks(), size); !ok) return std::move(ok).error();
  const auto all = all_subsets(topology.ranks(), size);
  const auto own = degrees(topology);
  std::vector<Placement> kinds;
  const auto orbits = orbits_of(topology, all);
  for (const auto& orbit : orbits) {
    auto placement = judge(topology, all[orbit.front()], kind, own);
    if (!placement) return std::move(placement).error();
    kinds.push_back(*std::move(placement));
  }
  std::vector<const Placement*> values(all.size());
  for (std::size_t o = 0; o < orbits.size(); ++o) {
    for (const auto i : orbits[o]) values[i] = &kinds[o];
  }
  std::vector<Placement> chosen;
  for (const auto i : GroupSearch(all, values, topology.ranks(), groups).run()) {
    auto placement = judge(topology, all[i], kind, own);
    if (!placement) return std::move(placement).error();
    chosen.push_back(*std::move(placement));
  }
  return chosen;
}

}  // namespace p2plab
