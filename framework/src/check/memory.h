// SPDX-License-Identifier: Apache-2.0
// Does a program state the memory that the contract makes it, and do its accesses stay inside?
#pragma once

#include <string>

#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::checking {

/// Of a consistent program. Error invalid_input names the buffer.
Status check_stated_memory(const Program& program, const BufferLayout& layout);

/// Does an instruction of such a program touch what is there alone, and by whole elements?
bool is_inside(const Program& program, const Instruction& instruction);

/// Why not, where it does not.
std::string memory_fault_of(const Program& program, const Instruction& instruction);

}  // namespace p2plab::checking
