// SPDX-License-Identifier: Apache-2.0
// How one list of steps stands for many: images of it on other ranks, with other chunks.
//
// Image i of a folded schedule does what the base does, with rank r replaced by ranks[r], route k by routes[k], and chunk c by chunk i * C + c, where
// C is the number of the base's chunks. Scratch and host slots of different images are different: at each rank, the slots of image 0 come first, then
// those of image 1, and so on. So images touch no location together, and what is proved of one holds for the others wherever the contract and the
// machine are alike for them; `verify` checks that and takes nothing on trust.
//
// The order of all steps: the base is cut into phases; phase by phase, within a phase image by image, within an image in the order of the base.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/base/ids.h"

namespace p2plab {

/// How an image moves ranks and routes.
struct ScheduleImage {
  std::vector<Rank> ranks;           // by rank of the base; a permutation
  std::vector<RouteId> routes = {};  // by route; empty: routes stay
};

/// The order of the steps of a folded schedule. One that is not folded has one image.
class Folding {
 public:
  struct Origin {
    int image = 0;
    StepId step;  // of the base
  };

  Folding() = default;
  /// `phase_ends`: rising, in steps of the base; the last one is their number.
  Folding(int images, std::vector<std::uint32_t> phase_ends) : images_(images), phase_ends_(std::move(phase_ends)) {}

  int images() const { return images_; }
  bool folded() const { return images_ > 1; }
  const std::vector<std::uint32_t>& phase_ends() const& { return phase_ends_; }
  const std::vector<std::uint32_t>& phase_ends() && = delete;

  /// Of which image a step is, and which step of the base it is there.
  Origin origin(StepId id) const { return images_ == 1 ? Origin{0, id} : origin_of(id); }
  /// The step that an image has for one of the base.
  StepId id_of(int image, StepId base) const;

 private:
  Origin origin_of(StepId id) const;
  int images_ = 1;
  std::vector<std::uint32_t> phase_ends_;
};

}  // namespace p2plab
