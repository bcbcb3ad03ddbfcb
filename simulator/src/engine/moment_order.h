// SPDX-License-Identifier: Apache-2.0
// In which order the events of one moment happen where ranks do the same: by what images have in common first. So a tie at one resource is settled as
// at its images, and one image tells what all do (resource_images.h).
#pragma once

#include <tuple>
#include <vector>

#include "engine/arbitrated_links.h"

namespace p2plab {

/// Events that others set off at the same moment come after all of these, in an order of their own.
class MomentOrder {
 public:
  MomentOrder(const Compiled& program, const ArbitratedLinks& links);

  void sort(std::vector<EventQueue::Packed>& events);

 private:
  struct Key {
    std::uint32_t place = 0;  // of the lane, in its image
    std::uint32_t part = 0;
    std::uint32_t kind = 0;
    std::uint32_t slice = 0;
    std::uint32_t stage = 0;  // counted within the lane
    std::uint32_t operand = 0;
    std::uint32_t image = 0;
    EventQueue::Packed event = 0;
    friend bool operator<(const Key& a, const Key& b) {
      const auto key = [](const Key& k) { return std::tie(k.place, k.part, k.kind, k.slice, k.stage, k.operand, k.image); };
      return key(a) < key(b);
    }
  };
  Key key_of(EventQueue::Packed packed) const;

  const Compiled& program_;
  const ArbitratedLinks& links_;
  std::vector<std::uint32_t> lane_of_stage_;
  std::vector<Key> keys_;
};

}  // namespace p2plab
