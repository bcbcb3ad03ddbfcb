// SPDX-License-Identifier: Apache-2.0
// Which senders of a large machine are images of each other, and how paths are carried from one to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "p2plab/detail/symmetry.h"

namespace p2plab {

/// Of small machines each sender is its own kind.
class SenderKinds {
 public:
  /// How a sender comes of another one: a generator carries `before` to it, others `first` to that. None: it is the first of its kind.
  struct Kin {
    std::size_t first = 0;
    std::optional<std::size_t> before = std::nullopt;
    std::size_t generator = 0;
  };

  explicit SenderKinds(const Topology& topology);
  /// Looks at these senders. Symmetries that carry one of them to a node that is none are not used.
  void set(std::span<const NodeId> senders);

  /// All senders, each after the one that it comes of.
  const std::vector<std::size_t>& in_turn() const& { return turn_; }
  const Kin& of(std::size_t sender) const& { return kin_[sender]; }

  NodeId moved(const Kin& kin, NodeId node) const { return NodeId{generators_[kin.generator].nodes[node.index()]}; }
  LinkId moved(const Kin& kin, LinkId link) const { return LinkId{generators_[kin.generator].links[link.index()]}; }
  /// The sender that the generator of `kin` carries to this one.
  std::size_t moved_back(const Kin& kin, std::size_t sender) const { return before_[kin.generator][sender]; }

 private:
  std::span<const Automorphism> generators_;      // the machine's
  std::vector<std::vector<std::size_t>> before_;  // by generator, by sender; empty: it is not used
  std::vector<Kin> kin_;
  std::vector<std::size_t> turn_;
};

}  // namespace p2plab
