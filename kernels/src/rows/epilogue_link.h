// SPDX-License-Identifier: Apache-2.0
// Links a program's epilogue for one rank: its inputs and outputs become addresses.
#pragma once

#include "p2plab/program/epilogue.h"
#include "p2plab/run/communicator.h"
#include "rows/epilogue_args.h"

namespace p2plab {

/// Errors: invalid_input that names the tensor: one that the epilogue needs and is not there, or one that does not begin at a multiple of 16 bytes.
/// What is there without need is not used.
Result<image::EpilogueCall> link_epilogue(const Epilogue& epilogue, const Payload& payload, std::uint64_t source, const EpilogueBuffers& buffers);

/// If each rank's packets go through all its items at the place in the output at which they end, and rows are whole packets: how many packets a row
/// has. Then a block can take whole rows, and nobody waits for other blocks. 0 if it is not so.
std::uint32_t packets_of_row(const Program& program);

/// Then: is the last thing that every rank does with a packet the sum that ends in its output, and a packet a vector of 16 bytes? Then it need not go
/// through memory to be normed.
bool ends_in_sums(const Program& program);

}  // namespace p2plab
