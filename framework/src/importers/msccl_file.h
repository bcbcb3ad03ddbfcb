// SPDX-License-Identifier: Apache-2.0
// A file of MSCCL's as its XML says it, and the actions that follow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "importers/actions.h"
#include "p2plab/program/tuning.h"

namespace p2plab {

/// A send, a receive or a local move; MSCCL's steps are one or two of them.
struct MscclMicro {
  enum class Kind : std::uint8_t { send, receive, receive_add, receive_add_send, copy, add };
  Kind kind = Kind::copy;
  UnitPlace from;
  UnitPlace to;
};

struct MscclFileStep {
  std::vector<MscclMicro> parts;
  std::int64_t count = 0;
  std::int32_t after_block = -1;
  std::int32_t after_step = -1;
  std::size_t origin = 0;
};

struct MscclFileBlock {
  std::int32_t send = -1;
  std::int32_t receive = -1;
  std::int32_t channel = 0;
  std::vector<MscclFileStep> steps;
};

struct MscclFile {
  CollectiveKind collective = CollectiveKind::all_reduce;
  std::string name;
  Protocol protocol = Protocol::simple;
  bool in_place = false;
  std::int64_t from = 0;
  std::int64_t to = 0;
  UnitBuffers buffers;
  std::vector<std::int64_t> scratch;              // units, by rank
  std::vector<std::vector<MscclFileBlock>> gpus;  // by rank
};

Result<MscclFile> read_msccl(std::string_view text, const std::string& filename);

/// What the thread blocks do, in an order in which they can.
std::variant<std::vector<Action>, ImportFault> replay_msccl(const MscclFile& file);

}  // namespace p2plab
