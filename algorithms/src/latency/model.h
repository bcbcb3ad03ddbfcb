// SPDX-License-Identifier: Apache-2.0
// A machine as the step-synchronous model sees it (SCCL; Cai et al., 2021): data moves in steps, a step has rounds, and in a round a link carries
// a whole number of equal chunks. What is sent in a step lay at the sender before that step.
#pragma once

#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Larger machines are refused: the programs of steps grow with the square of the ranks.
inline constexpr int most_ranks = 128;

/// A transfer between two ranks that needs no relay, and the resources its route takes (each as often as it takes it).
struct StepArc {
  int from = 0;
  int to = 0;
  std::vector<int> resources = {};
};

/// Which routes may be used. `nvlink`: only links made for GPUs; `automatic`: the same if such routes join all members, else any.
enum class StepFabric { automatic, nvlink, any };

/// Ranks, transfers between them, and what links carry in a round.
struct StepModel {
  int ranks = 0;
  std::vector<StepArc> arcs = {};
  std::vector<int> capacity = {};                   // of each resource: chunks a round
  double unit = 0;                                  // bytes per second that one chunk a round stands for
  bool exact = true;                                // every bandwidth is a whole number of units (else rounded down)
  std::vector<std::vector<int>> out = {}, in = {};  // arcs by rank
  std::vector<std::vector<int>> distance = {};      // steps from one rank to another; -1: out of reach
};

/// The model of a machine. The unit is the greatest common divisor of the bandwidths where that is at least a quarter of the least one, else the
/// least one.
StepModel step_model(const Topology& topology, std::span<const Rank> members, StepFabric fabric);

/// The same with every transfer reversed.
StepModel reversed(const StepModel& model);

/// What must move: `wanted[s][r]` blocks of rank s must come to rank r. With `copies` a rank has one block, which many may get and anyone may
/// pass on; without, every block has one receiver.
struct StepTask {
  bool copies = true;
  std::vector<std::vector<int>> wanted;
};

/// The least number of steps: the longest distance that something must come; -1 if something is out of reach.
int least_steps(const StepModel& model, const StepTask& task);

/// A transfer of a chunk in a step (from 1).
struct StepHop {
  int step = 0;
  int from = 0;
  int to = 0;
};

/// One chunk and how it travels; `receiver` is -1 where copies go to all that want the block.
struct StepItem {
  int sender = 0;
  int receiver = -1;
  std::vector<StepHop> hops = {};
};

/// An answer: blocks of `chunks` chunks, moved in `rounds.size()` steps of so many rounds each.
struct StepPlan {
  int chunks = 1;
  std::vector<int> rounds = {};
  std::vector<StepItem> items = {};
  int steps() const { return static_cast<int>(rounds.size()); }
  int total_rounds() const;
};

/// The rounds that each step of the items needs: the busiest resource says.
std::vector<int> rounds_needed(const StepModel& model, std::span<const StepItem> items, int steps);

}  // namespace p2plab
