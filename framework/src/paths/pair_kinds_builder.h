// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

/// Takes the senders one after another, in any order.
class PairKindsBuilder {
 public:
  PairKindsBuilder(const Topology& topology, const ParallelLinks& parallel);

  /// The kind of a path between two ranks.
  std::uint32_t kind_of(Rank from, Rank to, std::span<const LinkId> path);
  /// The kinds of a sender's pairs, by receiver.
  void take(Rank sender, std::span<const std::uint32_t> kinds);
  /// The kinds that were taken.
  std::vector<std::uint32_t> taken(Rank sender) const;
  PairKinds all() && { return std::move(made_); }

 private:
  PairKinds made_;
  std::vector<std::uint32_t> alike_;                          // by link: the first that is alike
  std::unordered_map<std::uint64_t, std::uint32_t> further_;  // a beginning of paths and a link: that beginning, a link longer
  std::vector<std::uint32_t> kinds_ = {PairKinds::no_path};   // by beginning: the kind of paths that end there, 0 if there was none yet
};

}  // namespace p2plab
