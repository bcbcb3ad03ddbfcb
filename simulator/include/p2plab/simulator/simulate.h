// SPDX-License-Identifier: Apache-2.0
// The simulator: how long a program takes on a machine, by discrete events at slice level. simulator/README.md has the model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"
#include "p2plab/simulator/pattern.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

class FoldedResources;  // plays_folded.h

/// How contention is treated. `events`: slice by slice, thread blocks served in turn at every resource. `max_min`: transfers are flows that share
/// resources fairly, for cross-checks and huge unsliced transfers. `path`: the longest chain of waits and the busiest resource only, a lower
/// bound; for inner loops.
enum class SimEngine : std::uint8_t { events, max_min, path };
std::string_view to_string(SimEngine engine);  // "events", "max-min", "path"
Result<SimEngine> sim_engine(std::string_view name);

struct SimOptions {
  SimEngine engine = SimEngine::events;
  bool steps = false;               // fill SimResult::steps
  bool record = false;              // fill SimResult::recording, for traces and critical paths
  bool fold = true;                 // of a pattern, simulate one rank where that provably gives the same; off: always all of them
  bool skip = true;                 // add up what repeats slice by slice instead of playing it, which gives the same; off: play every slice
  SimTime useful = SimTime::max();  // what certainly takes longer is not played to its end: its result is that of `path`, or of a first call
  bool in_a_row = false;            // fill SimResult::period
  int multiprocessors = 0;          // by packets: so many of each GPU have the program's threads; 0: all
  std::shared_ptr<const FoldedResources> resources = nullptr;  // of a folded program: what was found of its schedule for this machine and profile
  std::vector<SimTime> late = {};                              // by rank: starts this much later than the profile says; empty means none
  // The machine as it was, where rates moved and data keeps its ways; null: the topology's own routes.
  const Topology* routes_of = nullptr;
};

/// What a link (or another resource) had to do.
struct ResourceUse {
  std::string name;  // "gpu0 -> sw0", "group root0", "egress of gpu3", "memory of gpu0"
  Bytes bytes{0};    // on the wire
  SimTime busy{0};
};

/// From the moment a step's first slice goes to work (its waits are over) to its last slice's completion.
struct StepTiming {
  SimTime begin{0};
  SimTime end{0};
};

/// The life of one slice in its thread block.
struct SliceRecord {
  std::uint32_t block = 0;        // lane * blocks_per_lane + part
  std::uint32_t instruction = 0;  // of the whole program
  std::int64_t slice = 0;
  SimTime considered{0};    // the thread block turned to it
  SimTime issued{0};        // its waits were over, loads went out
  SimTime arrived{0};       // all loads were there
  SimTime injected{0};      // stores began
  SimTime processed{0};     // the thread block's own work on it ended, links aside
  SimTime released{0};      // the thread block was free for its next slice
  SimTime complete{0};      // stores visible, and all before it in this thread block complete
  std::int64_t cause = -1;  // the slice whose signal held it up last, if one did
};

/// One transfer at one resource.
struct HopRecord {
  std::int64_t slice = 0;      // index of its SliceRecord
  std::uint32_t operand = 0;   // of the program
  std::uint32_t resource = 0;  // index into SimResult::uses
  SimTime head{0};             // arrived
  SimTime start{0};            // its turn
  SimTime end{0};              // the resource was free again
};

/// Everything that happened. Slices of one thread block lie together, in order.
struct Recording {
  std::uint32_t blocks_per_lane = 1;
  std::vector<SliceRecord> slices;
  std::vector<HopRecord> hops;  // by the time at which heads arrived
  /// Of a program that ran by packets: the program as the threads see it, a lane a rank, whose lanes, instructions and operands the records name.
  std::shared_ptr<const Program> packets = nullptr;
};

/// The program whose lanes, instructions and operands the recording of `program` names.
inline const Program& recorded(const Program& program, const Recording& recording) { return recording.packets ? *recording.packets : program; }

struct SimResult {
  SimTime makespan{0};               // from the call until the last slice is complete
  SimTime busiest{0};                // what the busiest resource needs, however the program is cut into slices and thread blocks
  SimTime bound{0};                  // no execution of this program on this machine can be faster (proved, and checked on every run)
  SimTime period{0};                 // if asked for: what a call takes where calls follow each other without a pause, as in a CUDA graph
  SimTime period_at_least{0};        // the same, where calls were not seen to settle: then `period` is the most that they take
  bool played = true;                // false: it takes longer than is useful
  std::vector<SimTime> rank_finish;  // when each rank's last slice is complete
  std::vector<SimTime> rank_free;    // when it has sent all that it sends and has all that it waits for; empty if no call was played
  std::vector<ResourceUse> uses;     // the links by LinkId, then groups, then node limits and memories
  std::int64_t slices = 0;
  std::int64_t transfers = 0;  // slices over the wire, one for each remote operand
  std::int64_t events = 0;
  std::vector<StepTiming> steps;  // by StepId, if asked for
  Recording recording;            // if asked for
};

/// Runs `program` on `topology` at the costs of `profile`. Same arguments, same result.
/// Errors: invalid_input (a program that is inconsistent, made for another machine, or in which lanes wait for each other in a circle;
/// transfers without a path; an impossible profile), unsupported (a time beyond 26 days, more than 2^31 slices, a recording of an epilogue). A result
/// below its own bound is our own bug and is reported as one.
Result<SimResult> simulate(const Topology& topology, const Program& program, const Profile& profile, const SimOptions& options = {});

/// The same for a pattern of any number of ranks, whose program is never written out. `path_of` gives the links from one GPU to another.
/// Errors: also steps or a recording asked for.
Result<SimResult> simulate(const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Profile& profile,
                           const SimOptions& options = {});

}  // namespace p2plab
