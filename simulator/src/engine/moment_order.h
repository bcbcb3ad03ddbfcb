// SPDX-License-Identifier: Apache-2.0
// In which order the events of one moment happen where ranks do the same: by what images have in common first. So a tie at one resource is settled as
// at its images, and one image tells what all do (resource_images.h).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/arbitrated_links.h"

namespace p2plab {

/// Events that others set off at the same moment come after all of these, in an order of their own.
class MomentOrder {
 public:
  MomentOrder(const Compiled& program, const ArbitratedLinks& links);

  void sort(std::vector<EventQueue::Packed>& events);

 private:
  // By place of the lane in its image, part, kind, slice; then by stage in the lane, operand, image. A block's number and a stage's fit into an
  // event.
  static constexpr int kind_bits = 3;
  static constexpr int slice_bits = 32;
  static constexpr int operand_bits = 18;
  static constexpr int image_bits = 18;
  static_assert(EventQueue::index_bits + kind_bits + slice_bits <= 64 && EventQueue::index_bits + operand_bits + image_bits <= 64);
  struct Key {
    std::uint64_t first = 0;
    std::uint64_t then = 0;
    EventQueue::Packed event = 0;
    friend bool operator<(const Key& a, const Key& b) { return a.first != b.first ? a.first < b.first : a.then < b.then; }
  };
  struct LaneAt {
    std::uint32_t place = 0;
    std::uint32_t image = 0;
    std::uint32_t first_stage = 0;
  };
  Key key_of(EventQueue::Packed packed) const;

  const Compiled& program_;
  const ArbitratedLinks& links_;
  std::vector<std::uint32_t> lane_of_stage_;
  std::vector<LaneAt> lanes_;
  std::vector<Key> keys_;
};

}  // namespace p2plab
