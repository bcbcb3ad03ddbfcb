// SPDX-License-Identifier: Apache-2.0
// Calls by communicator, collective, size and way: how many, how long, and against what was expected.
#pragma once

#include <string>
#include <vector>

#include "p2plab/run/monitor.h"

namespace p2plab::monitor {

/// What the measured times of a band are held against.
enum class Expectation {
  none,       // too few calls yet
  predicted,  // as the calls' records say: a plan's prediction or its measured table
  own_past    // the band's first calls
};

struct Band {
  std::string communicator = {};
  std::string kind = {};
  std::string type = {};
  std::uint64_t bytes = 0;  // as the calls count, rounded down to a power of two
  std::string way = {};     // "p2p one_shot lamport"
  int ranks = 1;
  std::uint64_t calls = 0;     // of all ranks
  std::uint64_t timed = 0;     // each once, whatever ranks recorded it
  std::uint64_t captured = 0;  // of the calls: put into graphs
  std::uint64_t replayed = 0;  // of the calls: by graphs
  Seconds median{0};
  Seconds p99{0};
  double busbw = 0;  // bytes/s, the median of the calls', by their own bytes
  Expectation expectation = Expectation::none;
  Seconds expected{0};
  Seconds low{0};
  Seconds high{0};
  bool outside = false;  // most of the latest calls are slower than the interval's high end

  std::string name() const;
};

struct BandOptions {
  double tolerance = 0.25;     // of a prediction that has no interval of its own
  std::size_t beginning = 64;  // calls that make a band's own past
  std::size_t latest = 32;     // calls that are held against it
};

/// As nccl-tests count: a call whose count is of one of n parts moves n of them; processes `of_cpus` count the whole.
double bus_bytes(std::uint8_t kind, bool of_cpus, std::uint64_t size, int ranks);

/// By communicator, kind and size. Programs, the shim and NCCL count one rank's part of an all-gather, a reduce-scatter, a gather, a scatter and an
/// all-to-all, the host executor's processes (backend "cpu") the whole; busbw is of the whole for all, as in nccl-tests.
std::vector<Band> bands_of(const std::vector<const RecordedProcess*>& processes, const BandOptions& options = {});

}  // namespace p2plab::monitor
