// Within a lane the list's order carries dependencies; only reading what the lane itself wrote takes waiting for the write to arrive.
#pragma once

#include <vector>

#include "compiled.h"

namespace p2plab {

/// Fills `Work::own_dependency`; `works` are by instruction.
void find_own_dependencies(const Program& program, std::vector<Work>& works);

}  // namespace p2plab
