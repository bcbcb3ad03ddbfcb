// SPDX-License-Identifier: Apache-2.0
// What a program has to send where it runs by packets, counted without making them, which takes much longer.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// Packet programs of fewer ranks have one column: the kernels run them as they are, and take all items of a rank one after another.
inline constexpr std::size_t least_ranks_of_columns = 32;

struct PacketTraffic {
  std::vector<std::int64_t> sent;  // by rank: bytes of data to other GPUs, at least
  std::vector<std::int64_t>
      apart;  // by rank: items, at least, of which no two are loaded together: those that add, and those that pass on what lands
};

/// Counts messages that are surely read: what is written to another GPU and then read there by an instruction whose own result is needed, or left in
/// its output; and what such an instruction reads of another GPU.
PacketTraffic packet_traffic(const Program& program);
/// The same where `folded` is of this schedule.
PacketTraffic packet_traffic(const Schedule& schedule, const Proof& proof, const Program& folded);

}  // namespace p2plab
