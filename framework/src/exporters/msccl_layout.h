// Where a schedule's chunks lie in MSCCL's buffers: every block in equal chunks, the least number that all weights divide into.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exporters/msccl_steps.h"

namespace p2plab {

/// What MSCCL XML cannot say.
Error msccl_cannot(const std::string& what);

class MscclLayout {
 public:
  /// Errors: unsupported: blocks of unequal size or without chunks, weights that need too many chunks or a step too long, host memory.
  static Result<MscclLayout> make(const Schedule& schedule);

  /// Equal chunks in this chunk.
  std::int64_t count(ChunkId chunk) const { return counts_[chunk.index()]; }
  /// The number of its channel, from 0 on.
  int channel(ChunkId chunk) const;
  int channels() const { return static_cast<int>(channels_.size()); }
  /// The chunk that a step moves.
  ChunkId chunk_of(StepId step) const { return step_chunks_[static_cast<std::size_t>(step.value)]; }
  MscclPlace place(const Location& location) const;
  /// Chunks of input, output and scratch that a rank has.
  MscclGpu sizes(Rank rank) const { return gpus_[rank.index()]; }
  /// Where the block that holds this place of a rank's input lies in its output, as a shift; none if that rank's output lacks it.
  std::optional<std::int64_t> input_to_output(Rank rank, std::int64_t offset) const;

 private:
  using Side = std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>;  // rank and block, or rank and slot -> first chunk

  explicit MscclLayout(const Schedule& schedule) : schedule_(&schedule), gpus_(static_cast<std::size_t>(schedule.ranks())) {}
  Status measure_chunks();
  void lay_out(Rank rank);
  Status place_scratch();

  const Schedule* schedule_;
  std::int64_t per_block_ = 1;
  std::vector<MscclGpu> gpus_;
  std::vector<std::int64_t> counts_;
  std::vector<std::int64_t> starts_;  // by chunk: from the start of its block
  std::map<std::int32_t, int> channels_;
  Side inputs_;
  Side outputs_;
  Side scratch_;
  std::vector<ChunkId> step_chunks_;
};

}  // namespace p2plab
