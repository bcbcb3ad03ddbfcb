// SPDX-License-Identifier: Apache-2.0
// Programs are checked, not believed: from the program, the machine and the contract alone it is proved that it does what its collective promises,
// whatever made it (lowering, a tuner, another tool, a file).
//
// What a program means. A rank runs all its lanes at once, each on some thread blocks (Tuning::blocks_per_lane). Slice s of an instruction belongs to
// block s mod their number of its lane; a block does its slices of the first instruction in order, then those of the second, and so on, and nothing
// else orders the blocks of a lane. Before slice s of an instruction, slice s of each instruction that it waits for is complete, if that has so many.
// A slice reads each of its elements from all sources before it writes that element anywhere. A call begins at a rank once all lanes that touched the
// rank's memory in the call before have ended, and a lane touches no other rank's memory before that rank's call has begun: so calls that follow each
// other are ordered for every program by those who run it, and what must be proved is the order within one call.
#pragma once

#include <cstddef>

#include "p2plab/machine/topology.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// What a program's ranks and links are counted against.
struct ProgramBounds {
  int ranks = 0;
  std::size_t links = 0;
  int copies = 1;  // each lane stands for so many lanes, which waits may name (patterns)
};

/// Is a program consistent in itself? Every index and byte range lies inside what is stated, sizes and tuning are possible, inputs and outputs are as
/// large as the contract makes them. Costs one look at everything. Errors: invalid_input that names lane, instruction, step and rank.
Status check_consistency(const Program& program, const ProgramBounds& bounds);

/// What was shown of a program; only `check` makes one.
class ProgramProof {
 public:
  std::size_t accesses() const { return accesses_; }  // byte ranges that instructions read or write
  std::size_t pairs() const { return pairs_; }        // of accesses to the same bytes, one of them a write: each was found to be ordered

 private:
  friend class ProgramChecker;
  std::size_t accesses_ = 0;
  std::size_t pairs_ = 0;
};

/// Proves of a program that
/// * it is consistent in itself (`check_consistency`), its instructions reach what they touch on this machine, and no instruction waits for itself;
/// * every two accesses to the same bytes, one of them a write, are ordered, slice by slice, by lanes and waits alone;
/// * nothing is read that was not written before in the same call, nothing is added to a sum of other elements, or twice;
/// * at the end every byte that the contract owes holds the sum of all its contributors, each exactly once (divided by their number for an average).
/// If it runs as packets (Program::packets), the same of these: see check_packets.
/// Slices are compared by arithmetic on ranges, so that time depends on the number of instructions, not on the payload.
/// Error verification_failed names lane, instruction, step, ranks and bytes, and what is missing.
Result<ProgramProof> check(const Topology& topology, const Program& program);

/// The same of a folded program (lower_folded) of `schedule`, which `proof` proves: its base is proved so, and each of its instructions is compared
/// with the base's. Where images do not divide the payload evenly, also of what the schedule has them do with their true bytes.
Result<ProgramProof> check_folded(const Topology& topology, const Schedule& schedule, const Proof& proof, const Program& program);

/// The same of `packets`, by which `program` is to run on GPUs with this peer access: the items of each rank run in order, packet by packet and
/// otherwise unordered (threads take packets as they come; a line of LL128 is one), and a landing slot is read when its message has arrived. Beside
/// all that `check` proves, each message is sent once, lands in memory that its sender reaches, is read where it lands and by the rank that it is
/// for; and no rank is so far ahead that a message of a later call could meet one that is still read: slots have three copies, of which calls take
/// the next, so a sender must know, when a call ends, that the receiver has begun it.
Result<ProgramProof> check_packets(const PeerAccess& peer_access, const Program& program, const PacketProgram& packets);

/// `lower`, and `check` of what came out: the way to a program that is to run, or to be exported, or simulated as proved.
Result<Program> lower_checked(const Topology& topology, const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning);

}  // namespace p2plab
