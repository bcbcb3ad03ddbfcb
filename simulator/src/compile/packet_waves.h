// SPDX-License-Identifier: Apache-2.0
// Packet programs as the simulator plays them: wave after wave of packets.
#pragma once

#include "p2plab/program/packet_program.h"

namespace p2plab {

/// The packet program of `program` (which must have one) written out: one lane a rank, whose instructions are the items in order, all of them for one
/// wave of packets (as many as `threads` of each GPU take at once) before the next; what is loaded together is one instruction, and each has a slice
/// for every group of threads. No item is added, left out or moved.
Program packet_waves(const Program& program, std::int64_t threads = packet_threads);

}  // namespace p2plab
