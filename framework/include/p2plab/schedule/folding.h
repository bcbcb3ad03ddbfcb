// SPDX-License-Identifier: Apache-2.0
// How one list of steps stands for many: images of it on other ranks, with other chunks.
//
// Image i of a folded schedule does what the base does, with rank r replaced by ranks[r], route k by routes[k], and chunk c by chunk i * C + c, where
// C is the number of the base's chunks. Scratch and host slots of different images are different: at each rank, the slots of image 0 come first, then
// those of image 1, and so on. So images touch no location together, and what is proved of one holds for the others wherever the contract and the
// machine are alike for them; `verify` checks that and takes nothing on trust.
//
// The order of all steps: step by step of the base, each in image after image. So where images carry ranks onto one another, all of these have the
// same steps in the same order.
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
  explicit Folding(int images) : images_(images) {}

  int images() const { return images_; }
  bool folded() const { return images_ > 1; }

  /// Of which image a step is, and which step of the base it is there.
  Origin origin(StepId id) const {
    // Numbers of steps fit 32 bits (the builder sees to it), and this is asked often.
    const auto step = static_cast<std::uint32_t>(id.value);
    const auto images = static_cast<std::uint32_t>(images_);
    return {static_cast<int>(step % images), StepId{static_cast<std::int64_t>(step / images)}};
  }
  /// The step that an image has for one of the base.
  StepId id_of(int image, StepId base) const { return StepId{static_cast<std::int64_t>(base.value) * images_ + image}; }

 private:
  int images_ = 1;
};

}  // namespace p2plab
