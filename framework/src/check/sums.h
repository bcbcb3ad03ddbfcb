// SPDX-License-Identifier: Apache-2.0
// What bytes hold, as expressions: whose contribution, or the sum of two expressions in that order, or a complete sum divided. Equal expressions have
// equal ids, so what lies in a place is one small number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schedule/contributions.h"
#include "schedule/key_table.h"

namespace p2plab::checking {

using SumId = std::int32_t;
inline constexpr SumId nothing = -1;

class Sums {
 public:
  explicit Sums(int ranks) : sets_(ranks) {}

  /// What `rank` gives.
  SumId of(Rank rank) { return make({sets_.of({&rank, 1}), rank.value, own}); }
  /// The two added in this order; none if they share a contributor.
  std::optional<SumId> added(SumId a, SumId b);
  SumId divided(SumId sum) { return make({sums_[index(sum)].set, sum, division}); }

  std::int32_t set(SumId sum) const { return sums_[index(sum)].set; }
  bool is_divided(SumId sum) const { return sums_[index(sum)].right == division; }
  /// The set of these ranks, to compare `set` with.
  std::int32_t set_of(std::span<const Rank> ranks) { return sets_.of(ranks); }
  /// "nothing", or "the sum of {0, 2, 3}".
  std::string describe(SumId sum) const;
  std::string describe_set(std::int32_t set) const { return sets_.describe(set); }

 private:
  // A sum's operands; for what a rank gives, the rank; for a division, what is divided.
  struct Sum {
    std::int32_t set = 0;
    std::int32_t left = 0;
    std::int32_t right = 0;
  };
  static constexpr std::int32_t own = -1;
  static constexpr std::int32_t division = -2;
  static std::size_t index(SumId sum) { return static_cast<std::size_t>(sum); }
  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
  }
  SumId make(const Sum& sum);
  SumId make_new(const Sum& sum);

  ContributionSets sets_;
  std::vector<Sum> sums_;
  KeyTable known_;  // by left and right
};

}  // namespace p2plab::checking
