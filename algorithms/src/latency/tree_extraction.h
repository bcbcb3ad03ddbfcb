// SPDX-License-Identifier: Apache-2.0
// From how often each transfer is used in each step to what every chunk does.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "latency/model.h"

namespace p2plab {

/// A transfer in a step (from 1) that carries `count` chunks of one sender.
struct StepUse {
  int arc = 0;
  int step = 0;
  int count = 0;
};

/// Packs `chunks` trees from `sender`, each reaching all ranks that want its block, into the uses: time makes branches wait for their root. None if
/// the uses do not suffice, or the greedy growth ends in a corner.
std::optional<std::vector<StepItem>> trees_of(const StepModel& model, const StepTask& task, int sender, std::span<const StepUse> uses, int chunks);

/// Splits the uses into paths, `chunks` for each block that a receiver wants. The uses must be a flow.
std::vector<StepItem> paths_of(const StepModel& model, const StepTask& task, int sender, std::span<const StepUse> uses, int chunks);

}  // namespace p2plab
