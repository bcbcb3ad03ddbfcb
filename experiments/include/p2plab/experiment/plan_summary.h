// SPDX-License-Identifier: Apache-2.0
// The figures of one plan, as `p2plab plan` prints them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/simulator/collective_floor.h"

namespace p2plab {

struct Limit;

/// What a plan is and how good it is. Rates are nccl-tests' algbw.
struct PlanSummary {
  std::string algorithm;
  std::string collective;
  int ranks = 0;  // members
  Bytes size{0};
  std::size_t steps = 0;
  std::size_t chunks = 0;
  int trees_per_root = 0;  // most chunks of one block
  int height = 0;          // rounds
  bool verified = false;
  double algbw_gbps = 0;  // from link loads, latency ignored
  std::optional<double> bound_gbps = std::nullopt;
  Seconds predicted{0};
  std::string profile;                              // by which
  std::optional<Interval> interval = std::nullopt;  // where the machine has assumed numbers that move the prediction
  AssumedRange rests_on = {};                       // these, and the microseconds that they give
  std::optional<Seconds> bound = std::nullopt;
  std::optional<Seconds> alone = std::nullopt;          // what one call takes, where calls in a row overlap so much that they beat one call's bound
  std::optional<Seconds> at_link_rates = std::nullopt;  // the bound by what such plans get of links, where nothing else limits the machine
  double link_efficiency = 1;                           // what they get of a link's bandwidth, by the profile
  std::vector<KindFloor> floors = {};                   // what one call takes at least by the profile, latencies and bytes together
  ProgramKind kind = ProgramKind::slices;               // which of them is of programs like this one
  std::string argument;                                 // what proves the bound, in one sentence
  std::vector<std::string> cut = {};                    // the nodes whose links prove it, where one cut does
  int multiprocessors = 0;                              // of each GPU, if it was asked what that costs
  Seconds with_them{0};                                 // predicted, if the plan has no more
  /// Over servers: what it takes as it runs there, segment by segment and group by group.
  struct OverServers {
    int servers = 0;
    std::size_t stages = 0;
    Seconds predicted{0};
  };
  std::optional<OverServers> over_servers = std::nullopt;  // none on one server, nor of very large plans
  Seconds synthesis{0};                                    // what planning took
  int thread_blocks = 0;
  int columns = 1;   // of packets: a GPU's threads are parted into so many, which take items of their own
  Bytes scratch{0};  // of the rank that needs most, beside input and output: what relays and partial sums take
  Bytes host{0};     // the same in pinned host memory
  std::string bottleneck;
  std::string reason;
  Parameters parameters = {};
  Tuning tuning = {};

  /// algbw / bound.
  std::optional<double> optimality() const;
  /// How much longer than the bound, which is one call's, the plan is predicted to take, in percent.
  std::optional<double> gap_pct() const;
};

/// The figures of an evaluated plan; `synthesis` is what making it took, `least` the bound of its collective on the evaluator's machine.
PlanSummary summarize(const Evaluator& evaluator, const Evaluation& evaluation, Seconds synthesis, const Limit& least);

/// How chunks are cut and dealt out: "slices of 1 MiB", "64 slices a chunk, steps apart".
std::string slicing(const Tuning& tuning);

std::string to_text(const PlanSummary& summary);
/// An object with the fixed keys first.
std::string to_json(const PlanSummary& summary);

}  // namespace p2plab
