// SPDX-License-Identifier: Apache-2.0
// A program on a machine, with everything looked up that the simulator needs in its loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/packet_wire.h"
#include "p2plab/program/program.h"
#include "p2plab/simulator/pattern.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// Times above this (26 days, in picoseconds) are refused; sums of two fit 64 bits with room to spare.
inline constexpr std::int64_t latest = std::int64_t{1} << 61;

/// Bytes at a rate, in picoseconds rounded up, at most `latest`. Remembers its last answer: sizes repeat.
struct TransferTime {
  std::int64_t rate = 0;  // bytes per second; 0 means unlimited
  std::int64_t bytes = 0;
  std::int64_t time = 0;
  std::int64_t of(std::int64_t amount) {
    if (amount != bytes) compute(amount);
    return time;
  }

 private:
  void compute(std::int64_t amount);
};

/// One thing that serves transfers one after another.
struct Resource {
  std::int64_t free = 0;
  TransferTime transfer_time;
  std::int64_t busy = 0;
  std::int64_t bytes = 0;
};

/// A resource on a path, and how long a head takes from its start there to the next one.
struct Stage {
  std::uint32_t resource = 0;
  std::int64_t latency = 0;
};
struct Path {
  std::uint32_t first = 0;  // stages [first, end)
  std::uint32_t end = 0;
  std::int64_t latency = 0;
  double scale = 1;  // what is sent over it takes that many times its bytes (quirks)
};

/// An instruction as a thread block sees it.
struct Work {
  std::int64_t bytes = 0;
  std::int64_t slice_bytes = 0;  // of each slice but perhaps the last
  std::uint32_t paths = 0;       // first in `path_refs`: of its remote sources, then of its remote destinations
  std::uint32_t waits = 0;       // first in `waits`
  std::uint32_t slices = 1;
  std::int32_t own_dependency = -1;  // counted within the lane: the latest earlier work that writes what this one reads
  std::uint32_t local_operands = 0;
  std::uint16_t sources = 0;  // remote ones
  std::uint16_t destinations = 0;
  std::uint32_t wait_count = 0;
  std::int64_t cost = 0;   // the thread block's, for each slice, before its stores
  std::int64_t after = 0;  // beyond its stores' arrival, until it is complete
};

/// What works cost. By slices: `slice` each. By packets: `item` for each operand, and, where they are sent to other ranks, `tail` times the
/// logarithm of an instruction's warps until those of the slowest of them are there.
struct WorkCosts {
  std::int64_t slice = 0;
  bool packets = false;
  double item = 0;
  double tail = 0;
};

/// Slice s of this work of this lane must be complete, if it has so many; or the last one, whatever s is.
struct Awaited {
  std::uint32_t lane = 0;  // reference: see LaneInfo
  std::uint32_t work = 0;  // counted within that lane
  std::uint32_t slices = 1;
  bool last = false;

  std::uint32_t slice(std::uint32_t s) const { return last ? slices - 1 : s; }
};

/// In `Compiled::lane_table`: the lane is of another rank than the one that waits for it.
inline constexpr std::uint32_t other_rank = std::uint32_t{1} << 31;

/// Lanes that do the same share their works; what differs is found in a lane's own stretches of `paths` and `lane_table`.
struct LaneInfo {
  Rank rank;
  std::uint32_t first = 0;  // works [first, first + count)
  std::uint32_t count = 0;
  std::uint32_t paths = 0;    // added to its path references
  std::uint32_t lanes = 0;    // added to its awaited lanes, as an index into `lane_table`
  std::uint32_t program = 0;  // index into `program_costs`
};

/// How a program's thread blocks work. Programs that are played together have each their own.
struct ProgramCosts {
  Protocol protocol = Protocol::simple;
  std::int64_t signal_peer = 0;  // waits across ranks, all costs of the protocol in it
  std::int64_t signal_local = 0;
  double read_request = 0;
  std::uint32_t outstanding = 0;
  TransferTime store = {};
  TransferTime load = {};
  TransferTime reduce = {};

  std::int64_t request(const Path& path) const { return static_cast<std::int64_t>(read_request * static_cast<double>(path.latency)); }
};

/// A lane as all images have it, and the image in which it is that one.
struct LanePlace {
  std::uint32_t lane = 0;
  std::uint32_t image = 0;
};

/// Plain data: filled once by `compile`.
struct Compiled {
  std::vector<ProgramCosts> program_costs = std::vector<ProgramCosts>(1);
  std::uint32_t blocks_per_lane = 1;
  std::vector<Resource> resources;
  std::vector<std::string> names;      // of resources
  std::vector<std::int32_t> memories;  // by rank: its memory's resource, if limited
  std::vector<Stage> stages;
  std::vector<Path> paths;
  std::vector<LaneInfo> lanes;
  std::vector<Work> works;
  std::vector<std::uint32_t> path_refs;
  std::vector<Awaited> waits;
  std::vector<std::uint32_t> lane_table;  // lanes, those of other ranks marked
  std::vector<std::uint32_t> before;      // [work * blocks_per_lane + part]: slices of that thread block before this work
  std::vector<std::uint32_t> totals;      // [lane * blocks_per_lane + part]: slices in all
  std::vector<std::int64_t> starts;       // by rank: when it starts
  bool fair = false;                      // resources are shared by max-min fairness instead of in turn
  bool folded = false;                    // one rank stands for all: ties between its transfers must be reported
  std::vector<LanePlace> places;          // by lane, where ranks do the same: by them ties are settled; else empty
  std::int64_t images = 1;                // each lane stands for so many
  std::vector<std::uint32_t> stands_for;  // with images, by resource: the one that tells what it does
  std::int64_t slices = 0;
  std::int64_t minimum_transfer = 1;  // links carry whole multiples of this

  static std::int64_t slice_bytes(const Work& work, std::int64_t slice) { return std::min(work.slice_bytes, work.bytes - slice * work.slice_bytes); }
  std::int64_t wire(const ProgramCosts& costs, std::int64_t bytes) const {
    const auto whole = in_slices(costs.protocol) ? bytes : wire_bytes(costs.protocol, Bytes{bytes}).count();
    return minimum_transfer == 1 ? whole : (whole + minimum_transfer - 1) / minimum_transfer * minimum_transfer;
  }
  std::int64_t link_bytes(const Path& path, std::int64_t bytes) const {
    return path.scale == 1 ? bytes : static_cast<std::int64_t>(static_cast<double>(bytes) * path.scale);
  }
  const Path& path(const LaneInfo& lane, std::uint32_t reference) const { return paths[lane.paths + path_refs[reference]]; }
  std::uint32_t awaited_lane(const LaneInfo& lane, const Awaited& wait) const { return lane_table[lane.lanes + wait.lane] & ~other_rank; }
  std::int64_t signal(const LaneInfo& lane, const Awaited& wait) const {
    return (lane_table[lane.lanes + wait.lane] & other_rank) != 0 ? program_costs[lane.program].signal_peer
                                                                  : program_costs[lane.program].signal_local;
  }
  // Slice s of a lane belongs to block s % blocks_per_lane.
  std::uint32_t slices_of(const Work& work, std::uint32_t part) const {
    return work.slices > part ? (work.slices - part + blocks_per_lane - 1) / blocks_per_lane : 0;
  }
  // So many of a part's slices come up to and with slice s of this work (counted within the lane).
  std::uint32_t place(const LaneInfo& lane, std::uint32_t work, std::uint32_t part, std::uint32_t slice) const {
    return before[(std::size_t{lane.first} + work) * blocks_per_lane + part] + (blocks_per_lane == 1 ? slice : slice / blocks_per_lane) + 1;
  }
};

/// Else packets cost what slices do.
bool says_what_packets_cost(const Profile& profile);

class FoldedResources;

/// Along these routes, which need not be the topology's own (SimOptions::routes_of); `known` as SimOptions::resources. Errors: as for `simulate`.
Result<Compiled> compile(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile,
                         const FoldedResources* known = nullptr);
Result<Compiled> compile(const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Profile& profile);

/// Slows what quirks and the models of switches slow in this program.
void apply_quirks(Compiled& compiled, const Topology& topology, const Quirks& quirks);

}  // namespace p2plab
