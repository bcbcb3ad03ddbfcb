// SPDX-License-Identifier: Apache-2.0
// An execution plan of MSCCL++ as its JSON says it, and the actions that follow.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "importers/actions.h"
#include "p2plab/base/units.h"
#include "p2plab/program/tuning.h"

namespace p2plab {

/// An operation with its places resolved.
struct PlanOperation {
  std::string name;
  std::vector<UnitPlace> sources;
  std::vector<UnitPlace> destinations;
  std::int64_t count = 0;
  std::vector<std::size_t> channels;  // of the GPU
  std::vector<std::size_t> semaphores;
  std::size_t barrier = 0;
  std::int64_t barrier_blocks = 1;
};

struct PlanBlock {
  std::int32_t channel = 0;
  std::vector<PlanOperation> operations;
  std::size_t next = 0;
  bool at_barrier = false;
};

struct PlanGpu {
  std::vector<std::int64_t> peers;    // by channel
  std::vector<std::int64_t> arrived;  // signals, by channel
  std::vector<std::pair<std::int64_t, char>> remote;
  std::vector<std::int64_t> semaphores;
  std::map<std::size_t, std::int64_t> barriers;  // how many have come
  std::vector<PlanBlock> blocks;
};

struct PlanFileHead {
  CollectiveKind collective = CollectiveKind::all_reduce;
  bool in_place = false;
  UnitBuffers buffers;
  std::vector<PlanGpu> gpus;
  std::string name;
  Protocol protocol = Protocol::simple;
  Bytes from{0};
  Bytes to{0};
};

/// Reads a plan. Errors: a sentence that names the GPU and the thread block.
std::variant<PlanFileHead, std::string> read_mscclpp(std::string_view text);

}  // namespace p2plab
