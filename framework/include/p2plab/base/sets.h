// SPDX-License-Identifier: Apache-2.0
// Sets of numbered things that are joined step by step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace p2plab {

class Sets {
 public:
  explicit Sets(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  /// The lowest member, which names the set.
  std::size_t of(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[std::max(of(a), of(b))] = std::min(of(a), of(b)); }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace p2plab
