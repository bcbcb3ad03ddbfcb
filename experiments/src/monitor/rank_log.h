// SPDX-License-Identifier: Apache-2.0
// What each rank of a communicator did, whoever recorded it: p2plab's own records, PyTorch's flight recorder. What went wrong is found on these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/run/monitor.h"

namespace p2plab::monitor {

/// A call of one rank. Times are ns on the clock of its log.
struct LoggedCall {
  std::uint64_t sequence = 0;
  std::string kind = {};
  std::string type = {};
  std::string op = {};    // empty: not known, or it has none
  std::string size = {};  // "4096 elements"
  int root = -1;
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;  // 0: not yet, as far as is known
  bool blocking = false;    // the caller waits for its end; else it was put on a stream
  bool finished = false;    // known to have ended
  std::uint32_t stream = 0;
};

/// One rank of one communicator.
struct RankLog {
  std::uint64_t communicator = 0;
  std::string name = {};  // of the communicator
  int rank = 0;
  int ranks = 1;
  std::string where = {};  // "process 4711"
  int pid = 0;
  ProcessState state = ProcessState::running;
  bool closed = false;                 // left its communicator in order
  std::uint64_t now = 0;               // until when it is known, on the clock of its calls
  bool own_clock = false;              // which other ranks may not share
  std::uint64_t begun = 0;             // calls ever
  std::vector<LoggedCall> calls = {};  // the last ones, rising
  std::vector<std::string> errors = {};
  std::vector<std::string> losses = {};      // of links and GPUs
  std::vector<std::string> weakenings = {};  // links that are down beside others
};

struct Logs {
  std::vector<RankLog> ranks = {};
  std::vector<std::string> notes = {};  // what was read, and what could not be
};

/// A communicator's name, or, where it has none or a long one, its number.
std::string name_of(const RecordedSide& side);

/// The logs of processes that recorded themselves. The shim's notes of what libp2plab records itself are left out.
Logs logs_of(const std::vector<const RecordedProcess*>& processes, std::uint64_t now);

/// PyTorch's flight recorder in JSON (torch._C._distributed_c10d._dump_nccl_trace_json), of the rank that the file's name ends with. Its times are of
/// its host's wall clock. Errors: invalid_input; unsupported for a pickle, saying how to get JSON.
Status add_flight_record(Logs& logs, const std::string& text, const std::string& path);

/// What NCCL's RAS (ncclras, TCP 28028) printed: its complaints, as it says them. Errors: invalid_input, if it is none.
Status add_ras_text(Logs& logs, const std::string& text, const std::string& path);

}  // namespace p2plab::monitor
