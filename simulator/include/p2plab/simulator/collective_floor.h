// SPDX-License-Identifier: Apache-2.0
// What a collective takes at least by the cost model, whatever its plan: latencies, flags and bytes together. Proofs: decisions/005.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/bounds/bounds.h"
#include "p2plab/program/program.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// Programs whose hops cost differently. `pushed`: slice by slice, and ranks only write to other ranks; `slices`: slice by slice, whoever reads or
/// writes; `inside`: slice by slice, and ranks read only inside their part of the machine, cut at its narrowest links; `packets`: packet by packet;
/// `polled`: slice by slice in a packet's protocol, where tokens find no way back; `copies`: by copy engines.
enum class ProgramKind : std::uint8_t { pushed, inside, slices, packets, polled, copies };
std::string_view to_string(ProgramKind kind);  // "pushed", "inside", "slices", "packets", "polled", "copies"
std::string_view what_is(ProgramKind kind);    // "slices that are only pushed", "slices that are read inside servers only", ...

/// Of which kind is `program`, the narrowest that fits? Nothing read from other ranks makes it `pushed`.
ProgramKind kind_of(const Topology& topology, const Program& program);

/// No program of this kind takes less.
struct KindFloor {
  ProgramKind kind = ProgramKind::slices;
  Seconds time{0};
  std::string because = {};  // the proof in one sentence
};

/// For each kind that can do `collective`, whose bound on `topology` is `bound` (without switches that multicast or reduce): the largest of the way
/// between two that are far apart; the ways to and from the bound's links, and its bytes between; and, where all GPUs give and get, what must enter
/// the parts of a partition of the machine. Of one call alone, as SimResult::makespan: calls in a row may overlap.
std::vector<KindFloor> collective_floors(const Topology& topology, const Collective& collective, const Bound& bound, const Payload& payload,
                                         const Profile& profile);

/// The least of them: no program takes less; null if there are none.
const KindFloor* least_floor(const std::vector<KindFloor>& floors);
/// Of this kind, or null.
const KindFloor* floor_of(const std::vector<KindFloor>& floors, ProgramKind kind);

}  // namespace p2plab
