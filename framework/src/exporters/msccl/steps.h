// SPDX-License-Identifier: Apache-2.0
// A program as MSCCL's steps: thread blocks with at most one peer each way that send, receive, copy and add chunks of equal size in list order.
#pragma once

#include <cstdint>
#include <vector>

#include "exporters/msccl/connections.h"

namespace p2plab {

struct MscclStep {
  enum class Kind : std::uint8_t { send, receive, copy, add, nothing };
  Kind kind = Kind::nothing;
  MscclPlace from = {};
  MscclPlace to = {};
  std::int64_t count = 0;
  std::int32_t after_block = -1;  // of the same GPU, with its step; -1: nothing beyond this block's own order
  std::int32_t after_step = -1;
  bool awaited = false;  // another block waits for it
};

struct MscclBlock {
  MscclEnds ends;
  std::vector<MscclStep> steps;
};

struct MscclGpu {
  MscclBuffers buffers;
  std::vector<MscclBlock> blocks;
};

struct MscclAlgorithm {
  CollectiveKind collective = CollectiveKind::all_reduce;
  int channels = 1;
  std::vector<MscclGpu> gpus;
};

/// The steps of a program, within the reader's limits: thread blocks are shared as far as that needs. Errors: unsupported, with the reason: those of
/// `msccl_moves`, and whatever exceeds a limit however blocks are shared, with the number; the
/// format's name stands before it.
Result<MscclAlgorithm> msccl_steps(const Schedule& schedule, const Program& program, const MscclLimits& limits);

}  // namespace p2plab
