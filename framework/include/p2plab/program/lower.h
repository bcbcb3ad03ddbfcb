// SPDX-License-Identifier: Apache-2.0
// From a proved schedule to a program for one payload.
#pragma once

#include <optional>

#include "p2plab/program/peer_access.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// Schedules of so many steps are lowered alike for all images (Program::images): waits that follow by way of other lanes are not looked for in them.
inline constexpr std::size_t alike_from_steps = 1 << 13;

/// Where a rank's input and output lie when the program runs.
enum class CallerMemory {
  as_proved,  // apart, or in one memory if the schedule was proved in place
  either      // as each call says: addresses of their own for both, and the order that one memory needs
};

/// Lowers `schedule`, which `proof` proves, for `payload` (see layout.h for how it is cut; any element count is valid, zero included).
/// Steps that move nothing (empty chunks, a place copied to itself) are dropped.
/// Lanes: steps of one rank share a lane if they work on the same channel with the same remote ranks (unless the tuning gives each its own); within
/// a lane, list order. So no program can deadlock as long as all its lanes run at once. Waits that follow from other waits are left out.
/// Where chunks of different sizes lie in one slot one after another, a problem for a number of slices becomes one for slices of the largest chunk's
/// bytes: else slices of the same number would not lie at the same place.
/// By `peer_access` it is decided whether the program runs slice by slice or packet by packet (choose_packets), with all that follows. Whoever
/// simulates, runs or exports the program takes it as it is. Without a table, all ranks reach each other. `either` needs a schedule that was proved
/// in place; whether a program runs so is shown by `check`, of it as it is and with Program::in_place set. Errors: a negative payload or one above
/// 2^50 bytes, tuning out of range.
Result<Program> lower(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, const PeerAccess& peer_access = {},
                      CallerMemory memory = CallerMemory::as_proved, std::size_t alike_from = alike_from_steps);

/// The same program folded (Program::folded), where ranks do the same: of a folded schedule whose images carry ranks onto each other, each from one
/// other alone, and which reach what they touch. It is lowered for the next payload that images divide evenly (even_payloads.h), its simulation gives
/// what that of the whole gives, and `check_folded` proves it and what runs. None where that is not so, and where images differ in too many ways.
Result<std::optional<Program>> lower_folded(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning,
                                            const PeerAccess& peer_access = {}, std::size_t alike_from = alike_from_steps);

}  // namespace p2plab
