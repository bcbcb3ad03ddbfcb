// SPDX-License-Identifier: Apache-2.0
// Programs that run element by element: each thread takes its packet through all steps of its rank, and data carries its own arrival.
#pragma once

#include "p2plab/program/program.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// Does this program run by packets (every protocol but simple), and does the profile say what packets cost?
bool runs_by_packets(const Program& program, const Profile& profile);

/// The program as the threads of a GPU see it: one lane a rank, its instructions in order of steps, and all of them for one wave of packets (as
/// many as there are threads) before the next. A program that is in this form already comes back as it is.
Program packet_form(const Program& program);

/// Packets of 16 bytes on the wire that carry `bytes` of data with this protocol.
std::int64_t packets_of(Protocol protocol, std::int64_t bytes);

}  // namespace p2plab
