// SPDX-License-Identifier: Apache-2.0
// Proof by symbolic execution: a location's value is a chunk and the set of ranks whose contribution is in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/rank_images.h"

namespace p2plab {

struct VerifyOptions {
  /// Input and output of a rank share memory where the same chunk lies in both.
  bool in_place = false;
};

/// What verification found out; only `verify` makes one, so whoever holds one holds a proved schedule.
class Proof {
 public:
  /// Was it proved for shared input and output?
  bool in_place() const { return in_place_; }
  /// Does this step make a sum complete that none of its sources was (where an average is divided)?
  bool completes(StepId step) const { return completes_[folding_.origin(step).step.index()]; }
  /// The chunk that a step moves.
  ChunkId chunk(StepId step) const {
    const auto [image, base] = folding_.origin(step);
    return ChunkId{chunks_[base.index()].value + std::int64_t{image} * base_chunks_};
  }

  /// Of a folded schedule, if its images carry ranks onto each other; else null.
  const std::shared_ptr<const RankImages>& images() const& { return images_; }
  const std::shared_ptr<const RankImages>& images() && = delete;

 private:
  friend class Verifier;
  bool in_place_ = false;
  Folding folding_;
  std::int32_t base_chunks_ = 0;
  std::shared_ptr<const RankImages> images_;
  std::vector<bool> completes_;  // by step of the base
  std::vector<ChunkId> chunks_;
};

/// Proves that the schedule does what its collective promises, on this machine: every step reads values that are there, adds only disjoint
/// contributions of one chunk, touches only what its executor can reach (reads need a path to it, writes a path from it, explicit routes must
/// join the two ends without passing a GPU), never writes an input, and every receiver ends with exactly the contributors' reduction.
/// Of a folded schedule the base is proved so, and of each image that it keeps apart from the others, that its chunks' blocks have the base's senders
/// and receivers where the image moves them, and that every rank reaches there what it needs: so all images are proved, as if step by step.
/// Error code verification_failed; the message names the step, the location, what was expected and what was found.
Result<Proof> verify(const Topology& topology, const Schedule& schedule, const VerifyOptions& options = {});

/// "rank 3 scratch[5]", as used in messages.
std::string describe(const Location& location);

}  // namespace p2plab
