// A program on a machine, with everything looked up that the simulator needs in its loop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/profile.h"
#include "p2plab/program.h"
#include "p2plab/routes.h"
#include "p2plab/topology.h"

namespace p2plab {

/// Times above this (26 days, in picoseconds) are refused; sums of two fit 64 bits with room to spare.
inline constexpr std::int64_t latest = std::int64_t{1} << 61;

/// Bytes at a rate, in picoseconds rounded up, at most `latest`. Remembers its last answer: sizes repeat.
struct Pace {
  std::int64_t rate = 0;   // bytes per second; 0 means unlimited
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
  Pace pace;
  std::int64_t busy = 0;
  std::int64_t bytes = 0;
};

/// A resource on a path, and how long a head takes from its start there to the next one.
struct Stage {
  std::uint32_t resource = 0;
  std::int64_t latency = 0;
};
struct Path {
  std::uint32_t first = 0;   // stages [first, end)
  std::uint32_t end = 0;
  std::int64_t latency = 0;
};

struct InstructionInfo {
  std::int64_t slices = 1;
  std::int32_t own_dependency = -1;      // the latest earlier instruction of the same lane that writes what this one reads
  std::uint16_t remote_sources = 0;
  std::uint16_t remote_destinations = 0;
  std::uint32_t local_operands = 0;
};

/// Plain data: filled once by `compile`.
struct Compiled {
  const Program* program = nullptr;
  std::uint32_t parts = 1;
  std::vector<Resource> resources;
  std::vector<std::string> names;                 // of resources
  std::vector<std::int32_t> memories;             // by rank: its memory's resource, if limited
  std::vector<Stage> stages;
  std::vector<Path> paths;
  std::vector<std::int32_t> path_of;              // by operand; -1 is local
  std::vector<InstructionInfo> info;              // by instruction
  std::vector<std::uint32_t> before;              // [instruction * parts + part]: slices of that thread block before this instruction
  std::vector<std::uint32_t> totals;              // by block: slices in all
  std::vector<std::int64_t> starts;               // by rank: when it starts
  std::int64_t slices = 0;
  std::int64_t signal_peer = 0;                   // waits across ranks, all costs of the protocol in it
  std::int64_t signal_local = 0;
  std::int64_t slice_cost = 0;
  double read_request = 0;
  std::uint32_t outstanding = 0;
  Pace store;
  Pace load;
  Pace reduce;

  std::int64_t slice_bytes(const Instruction& i, std::int64_t slice) const {
    const auto size = program->tuning.slice.count();
    return size <= 0 || i.bytes <= size ? i.bytes : std::min(size, i.bytes - slice * size);
  }
  std::int64_t wire(std::int64_t bytes) const { return wire_bytes(program->tuning.protocol, Bytes{bytes}).count(); }
  std::int64_t request(const Path& path) const { return static_cast<std::int64_t>(read_request * static_cast<double>(path.latency)); }
  std::int64_t signal(Rank from, Rank to) const { return from == to ? signal_local : signal_peer; }
};

/// Errors: as for `simulate`.
Result<Compiled> compile(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile);

/// A time that no execution can undercut: the busiest resource, the busiest thread block, the longest chain of waits (first slices only).
std::int64_t lower_bound(const Compiled& compiled);

}  // namespace p2plab
