// SPDX-License-Identifier: Apache-2.0
// A program for several servers, cut where it crosses from one to another: inside a server segments, programs of its ranks alone; between servers
// groups of messages. All ranks go through the stages in one order, each stage the segment of its server, then its part of the group.
//
// What runs a stage promises this. A rank's segments run one after another. What a segment touches of a rank's memory is done before that rank's
// sends and receives of the same stage begin, and these are done before the next stage touches that memory. All sends and receives of one rank in one
// group go on at the same time. Messages from one rank to another arrive in the order in which both ends name them. Nothing else orders ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/segments/servers.h"

namespace p2plab {

/// Bytes of a rank's memory.
struct MessageEnd {
  Rank rank;
  Buffer buffer = Buffer::input;
  std::int64_t offset = 0;
};

/// What goes from a rank of one server to a rank of another.
struct Message {
  MessageEnd from;
  MessageEnd to;
  std::int64_t bytes = 0;
};

struct ProgramStage {
  std::vector<Program> segments;  // by server, ranks numbered as in the machine; without lanes where a server has nothing to do
  std::vector<Message> messages;  // by sender's order, which is the receiver's, too
};

struct SegmentedProgram {
  Servers servers;
  std::vector<RankMemory> memory;  // per rank, for all stages
  std::vector<ProgramStage> stages;
  /// All stages as the one program that was proved, to be simulated: a message is a copy into memory of the receiver's that nobody gives, and from
  /// there; what sends and receives cost beyond that is not in it.
  Program joined;
};

/// Cuts a schedule that was proved. Every step that crosses servers becomes messages between the owners of what it reads and writes, and steps of one
/// server; these steps are ordered into as few stages as their dependencies allow, proved (`verify`), and lowered (`lower`) for the payload, slice by
/// slice. The segments and groups are parts of that program. That together they do what the collective promises is shown by `check` of one program
/// that has the segments' own waits and, beyond them, only orders that whoever runs stages promises: each of these is looked at.
/// Errors: those of `verify`, `lower` and `check`.
Result<SegmentedProgram> cut_at_servers(const Topology& topology, const Schedule& schedule, const Payload& payload, const Tuning& tuning,
                                        bool in_place);

}  // namespace p2plab
