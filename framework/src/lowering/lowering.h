// SPDX-License-Identifier: Apache-2.0
// A proved schedule, or part of it, as a program.
#pragma once

#include <memory>
#include <vector>

#include "lowering/insert_waits.h"
#include "lowering/slot_layout.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/schedule/rank_images.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// Which steps become instructions: all; of each step of the base that in the image which a representative executes, so that these have all of their
/// lanes (a folded program, program.h); those of one image.
enum class Lowered { all, representatives, image };

class Lowering {
 public:
  /// With `images` (null: none) those of the schedule are lowered alike, so that `are_alike` must hold; but where only `image` is lowered, for it
  /// alone.
  Lowering(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, bool one_memory,
           std::shared_ptr<const RankImages> images, int image = 0);

  Program run(Lowered which);

  /// Operand `which` of a step, its sources first, where the step names that location.
  Operand operand(const Location& named, const Step& step, std::size_t which) const;

  /// Do all images have the base's chunks, and deal them out to channels like it?
  static bool are_alike(const Schedule& schedule, const Payload& payload);

 private:
  void by_bytes(const Payload& payload);
  Location resolve(const Location& location) const;
  bool moves_nothing(StepId id, const Step& step) const;
  void choose_steps();
  std::vector<StepId> wanted_steps() const;
  std::size_t place_of(StepId id) const { return which_ == Lowered::all ? id.index() : schedule_.folding().origin(id).step.index(); }
  void key_of(StepId id, const Step& step, std::vector<std::int32_t>& words) const;
  void place_steps();
  void fill_instructions();
  std::int64_t offset_of(const Location& location) const;
  void order_lanes();
  std::vector<std::int64_t> bytes_of_steps() const;

  const Schedule& schedule_;
  const Proof& proof_;
  bool one_memory_;
  std::shared_ptr<const RankImages> images_;
  int image_;
  std::vector<ChunkExtent> extents_;
  BufferLayout buffers_;
  SlotLayout slots_;
  Program program_;
  Lowered which_ = Lowered::all;
  std::vector<bool> dropped_;  // by step, or by step of the base
  std::vector<StepId> order_;  // the steps that became instructions
  std::size_t operands_ = 0;   // of these steps
  std::vector<StepPlace> places_;
};

/// Are payload and tuning in range?
Status check_ranges(const Payload& payload, const Tuning& tuning);

/// Are chunks of any image on one channel exactly where those of the base are, and those of two images never, or always?
bool same_channels(const Schedule& schedule);

/// The images that the schedule is lowered alike for; null: none.
std::shared_ptr<const RankImages> images_of(const Schedule& schedule, const Proof& proof, const Payload& payload, std::size_t alike_from);

}  // namespace p2plab
