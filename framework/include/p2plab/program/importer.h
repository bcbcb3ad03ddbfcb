// SPDX-License-Identifier: Apache-2.0
// Schedules from other systems' files, to be proved, simulated and run beside ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/program/tuning.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// What a file of MSCCL's or MSCCL++'s says.
struct ImportedAlgorithm {
  Schedule schedule;  // among all ranks; nothing is proved yet
  std::string name;
  Protocol protocol = Protocol::simple;
  bool in_place = false;
  Bytes from{0};  // the payloads that it is for, as the file has them
  Bytes to{0};
};

/// Reads MSCCL's XML in either dialect. Steps are put into an order in which no message waits where that is possible; one that must wait lies in
/// scratch of its receiver meanwhile. Errors, with line and column: no XML, missing or impossible values, a collective or a step that is not known,
/// thread blocks that wait for each other, buffers that do not hold whole blocks, a place that is read before it is written.
Result<ImportedAlgorithm> import_msccl(std::string_view text, const std::string& filename);

/// The same for MSCCL++'s execution plans (0.8 and later): nop, barrier, put, pws, pwsf, get, copy, re, res, rre, rres, signals, waits and
/// semaphores. Errors: not JSON, missing or impossible values, other operations, thread blocks that wait for each other.
Result<ImportedAlgorithm> import_mscclpp(std::string_view text, const std::string& filename);

/// A graph of NCCL's graph file: ranks in order, channel by channel.
struct ImportedGraph {
  bool chain = false;  // NCCL's tree within a server
  std::vector<std::vector<Rank>> orders;
};

/// Reads NCCL's graph file: rings (id 0) and chains (id 1) of one server; graphs of other kinds are left out. `rank` stands for the rank where it is
/// given, else `dev`, which NCCL reads as hexadecimal. Errors, with line and column: no XML, missing or impossible values, networks, channels that
/// do not name each of the ranks once, no ring or chain at all.
Result<std::vector<ImportedGraph>> import_nccl_graphs(std::string_view text, const std::string& filename);

}  // namespace p2plab
