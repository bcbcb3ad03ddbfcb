// SPDX-License-Identifier: Apache-2.0
// Do a program's accesses stay inside the memory that it states, and is that what the contract makes it?
#pragma once

#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::checking {

/// Of a program whose form is right. Errors: invalid_input that names the buffer, or lane, instruction, step, rank and bytes.
Status check_memory(const Program& program, const BufferLayout& layout);

}  // namespace p2plab::checking
