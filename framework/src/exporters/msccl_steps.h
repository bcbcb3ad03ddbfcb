// A schedule as MSCCL's steps: thread blocks with one peer each that send, receive, copy and add chunks of equal size in list order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

struct MscclPlace {
  char buffer = 'i';        // i, o, s
  std::int64_t offset = 0;  // in equal chunks
};

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
  std::int32_t send = -1;  // peers
  std::int32_t receive = -1;
  std::int32_t channel = 0;
  std::vector<MscclStep> steps;
};

struct MscclGpu {
  std::int64_t input = 0;  // chunks
  std::int64_t output = 0;
  std::int64_t scratch = 0;
  std::vector<MscclBlock> blocks;
};

struct MscclAlgorithm {
  std::string collective;
  std::int64_t chunks_per_loop = 0;
  int channels = 1;
  std::vector<MscclGpu> gpus;
};

/// Errors: unsupported, with the reason: collectives other than all_reduce, all_gather, reduce_scatter and all_to_all among all ranks with equal
/// shares and no silent member; host memory; explicit routes; weights that make a step longer than 72 chunks or a GPU's plan longer than
/// its limits (216 thread blocks, 256 steps each).
Result<MscclAlgorithm> msccl_steps(const Schedule& schedule, bool in_place);

}  // namespace p2plab
