// SPDX-License-Identifier: Apache-2.0
#include "forest/loads.h"

#include <algorithm>
#include <cmath>

namespace p2plab {

namespace {

constexpr double steepness = 30;
constexpr double most_exponent = 300;  // far above any load worth having
constexpr double just_full = 1 + 1e-11;

}  // namespace

ForestLoads::ForestLoads(const Topology& topology, double rate)
    : nobody_{identity_of(topology)}, capacities_(topology, nobody_), rate_(rate), loads_(capacities_.size()), links_(topology.links().size()) {}

void ForestLoads::add(std::span<const LinkId> path, double weight) {
  for (const auto link : path) {
    for (const auto r : capacities_.of(link.value)) loads_[static_cast<std::size_t>(r)] += weight * rate_ / capacities_.total(r);
  }
}

bool ForestLoads::too_full(std::span<const LinkId> path) const {
  return std::ranges::any_of(path, [&](LinkId link) {
    return std::ranges::any_of(capacities_.of(link.value), [&](int r) { return loads_[static_cast<std::size_t>(r)] > just_full; });
  });
}

double ForestLoads::cost(std::span<const LinkId> path, double weight) const {
  double sum = 0;
  for (const auto link : path) {
    for (const auto r : capacities_.of(link.value)) {
      const auto over = loads_[static_cast<std::size_t>(r)] - 1;
      const auto more = weight * rate_ / capacities_.total(r);
      sum += std::exp(std::min(most_exponent, steepness * over)) * std::expm1(std::min(most_exponent, steepness * more));
    }
  }
  return sum;
}

bool ForestLoads::too_full() const { return fullest() > just_full; }

double ForestLoads::fullest() const { return loads_.empty() ? 0 : *std::ranges::max_element(loads_); }

std::vector<double> ForestLoads::shares() const {
  std::vector<double> shares(links_);
  for (std::size_t l = 0; l < links_; ++l) {
    for (const auto r : capacities_.of(static_cast<int>(l))) shares[l] += rate_ / capacities_.total(r);
  }
  return shares;
}

}  // namespace p2plab
