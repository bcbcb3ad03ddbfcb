// SPDX-License-Identifier: Apache-2.0
// The rules of a tuner file: which algorithm, protocol and number of channels NCCL shall take for which collectives.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace p2plab::nccl_tuner {

/// Whole numbers from `least` to `most`, both included.
struct Range {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  bool holds(std::int64_t value) const { return value >= least && value <= most; }
};

struct Rule {
  int line = 0;  // of the file; of JSON, the number of the rule
  int function = 0;
  int algorithm = 0;
  int protocol = 0;
  int channels = -1;  // -1: NCCL's own
  Range bytes = {};   // the larger of what is sent and received; a rank's share of it if `per_rank`
  bool per_rank = false;
  Range nodes = {};
  Range ranks = {};        // of the communicator
  Range local_ranks = {};  // of a node
  int operations = -1;     // in the group; -1: any
  int registered = -1;
  std::int64_t chunk = 0;  // bytes; 0: NCCL's own
};

/// What a file said. A line that is wrong is left out, with a sentence that names it and what would be right.
struct Rules {
  std::vector<Rule> rules;
  std::vector<std::string> mistakes;
};

/// Reads a file's text. Three grammars: that of NCCL's example plugin (`allreduce,0,65536,ring,ll,4,1,8[,operations[,registered]]`, -1 for any), that
/// of Meta's NCCLX (`allreduce,[0,8192],ring,ll,4,*,8[,chunk]`, bytes for each rank, or with operations and registered before chunk), mixed as one
/// likes; and NCCLX's JSON where the text begins with '{'. The first rule that fits wins.
Rules read_rules(std::string_view text);

/// Numbers as NCCL has them, or -1.
int function_number(std::string_view name);
int algorithm_number(std::string_view name);
int protocol_number(std::string_view name);
const char* algorithm_name(int number);
const char* protocol_name(int number);

}  // namespace p2plab::nccl_tuner
