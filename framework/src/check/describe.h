// SPDX-License-Identifier: Apache-2.0
// Names of parts of a program in messages.
#pragma once

#include <cstdint>
#include <string>

#include "p2plab/program/program.h"

namespace p2plab::checking {

/// "lane 3, instruction 2 (step 6, rank 0)"
std::string name_of(const Program& program, std::uint32_t instruction);

/// "bytes 0 to 4096 of the scratch of rank 2"
std::string name_of_bytes(Rank rank, Buffer buffer, std::int64_t begin, std::int64_t end);

}  // namespace p2plab::checking
