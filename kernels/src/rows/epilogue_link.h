// SPDX-License-Identifier: Apache-2.0
// Links a program's epilogue for one rank: its inputs and outputs become addresses.
#pragma once

#include "p2plab/program/epilogue.h"
#include "p2plab/run/communicator.h"
#include "rows/epilogue_args.h"

namespace p2plab {

/// Errors: invalid_input that names the tensor: one that the epilogue needs and is not there, or one that does not begin at a multiple of 16 bytes.
/// What is there without need is not used.
Result<args::EpilogueCall> link_epilogue(const Epilogue& epilogue, const Payload& payload, std::uint64_t source, const EpilogueBuffers& buffers);

}  // namespace p2plab
