// SPDX-License-Identifier: Apache-2.0
#include "check/sums.h"

namespace p2plab::checking {

SumId Sums::make(const Sum& sum) {
  const auto [entry, fresh] = known_.try_emplace(key(sum.left, sum.right), static_cast<SumId>(sums_.size()));
  if (fresh) sums_.push_back(sum);
  return entry->second;
}

std::optional<SumId> Sums::added(SumId a, SumId b) {
  const auto wanted = key(a, b);
  auto& recent = recent_[(wanted * 0x9E3779B97F4A7C15U) >> (64 - recent_bits_)];
  if (recent.key == wanted && recent.sum != nothing) return recent.sum;
  const auto known = known_.find(wanted);
  if (known != known_.end()) {
    recent = {wanted, known->second};
    return known->second;
  }
  const auto both = sets_.disjoint_union(set(a), set(b));
  if (!both) return std::nullopt;
  recent = {wanted, make({*both, a, b})};
  return recent.sum;
}

std::string Sums::describe(SumId sum) const {
  if (sum == nothing) return "nothing";
  return (is_divided(sum) ? "the divided sum of " : "the sum of ") + sets_.describe(set(sum));
}

}  // namespace p2plab::checking
