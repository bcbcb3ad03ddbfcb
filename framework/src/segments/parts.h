// SPDX-License-Identifier: Apache-2.0
// What each instruction of a staged program is: in which stage, of which rank, at which end of a message.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/program/program.h"
#include "segments/pick.h"
#include "segments/stages.h"

namespace p2plab::segments {

inline constexpr std::uint32_t dropped = ~std::uint32_t{0};

struct Part {
  Role role = Role::local;
  int time = 0;  // as in StagedOrder
  Rank rank;
};

struct Parts {
  std::vector<Part> of;                    // by instruction
  std::vector<std::uint32_t> instruction;  // by step; `dropped` where it moves nothing
};

Parts parts_of(const Program& whole, const StagedOrder& order);

/// By local instruction: what it waits for in its own stage, which is of its own server.
Awaited waits_within_stages(const Program& whole, const Parts& parts);

/// The one program that shows what the stages do together: lanes of local instructions as in `whole`, each end of a message a lane of its own; the
/// waits within stages, and of what is awaited from earlier stages all, each of which whoever runs stages promises (segments.h). Error
/// verification_failed: something is awaited that nobody promises.
Result<Program> join_stages(const Program& whole, const Parts& parts, const Schedule& schedule);

}  // namespace p2plab::segments
