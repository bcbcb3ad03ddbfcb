// SPDX-License-Identifier: Apache-2.0
#include "check/sums.h"

namespace p2plab::checking {

SumId Sums::make(const Sum& sum) {
  const auto known = known_.find(key(sum.left, sum.right));
  return known != KeyTable::none ? known : make_new(sum);
}

SumId Sums::make_new(const Sum& sum) {
  const auto made = static_cast<SumId>(sums_.size());
  known_.add(key(sum.left, sum.right), made);
  sums_.push_back(sum);
  return made;
}

std::optional<SumId> Sums::added(SumId a, SumId b) {
  if (const auto known = known_.find(key(a, b)); known != KeyTable::none) return known;
  const auto both = sets_.disjoint_union(set(a), set(b));
  if (!both) return std::nullopt;
  return make_new({*both, a, b});
}

std::string Sums::describe(SumId sum) const {
  if (sum == nothing) return "nothing";
  return (is_divided(sum) ? "the divided sum of " : "the sum of ") + sets_.describe(set(sum));
}

}  // namespace p2plab::checking
