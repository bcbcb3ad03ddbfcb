// SPDX-License-Identifier: Apache-2.0
// Process groups that communicate at the same time on one machine: data, tensor, expert parallel. Plans for all of them together.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/planning.h"

namespace p2plab {

/// Ranks numbered by dimensions, of which the first varies fastest: tp=8,dp=4 has ranks 0 to 7 in the first group of tp (Megatron-LM's order).
struct RankLayout {
  std::vector<std::pair<std::string, int>> extents;
  int ranks() const;
  /// The groups of ranks that differ in these dimensions alone: "dp", or "ep+dp". Errors: unknown dimensions, with the known ones.
  Result<std::vector<std::vector<Rank>>> groups(const std::string& dimensions) const;
};

/// "tp=8,dp=4". Errors: usage.
Result<RankLayout> rank_layout(const std::string& text);

/// One call of each of some groups, which are alike and share no rank.
struct GroupCall {
  std::string name;  // "dp"
  std::vector<std::vector<Rank>> groups;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Payload payload = {};
  AlgorithmChoice algorithm = {"auto"};
};

/// What the groups of one call take.
struct GroupCallPlan {
  std::string own_plan;                 // the fastest where nobody else communicates
  Seconds alone{0};                     // it takes then; of several groups the slowest
  Seconds beside_own{0};                // and with all others at once, each with its own best plan
  std::string plan;                     // what is taken
  Seconds time{0};                      // it takes with all others at once
  std::vector<Evaluation> groups = {};  // by group; on the machine that its members have (among_members)
  std::vector<Topology> machines = {};
};

struct ProcessGroupsPlan {
  std::vector<GroupCallPlan> calls;
  Seconds own{0};                               // until all have ended: each with its own best plan,
  Seconds time{0};                              // and with the plans taken
  std::optional<Seconds> bound = std::nullopt;  // no plans take less
  std::string argument = {};                    // why
  std::vector<ResourceUse> uses = {};           // of links and limits, with the plans taken
  int blocks = 0;                               // thread blocks that a GPU needs at once, at most
  std::string profile = {};                     // by whose numbers the times are
  int weighed = 0;                              // sets of plans that were simulated together
};

struct ProcessGroupsOptions {
  bool relays = false;              // GPUs outside of a group may pass its data on
  std::function<bool()> stop = {};  // asked often; then the best so far
};

/// Plans for calls that begin at the same time. Each group's plans are proved on its own, and simulated with those of all others, so that transfers
/// of several groups take turns where they share a link. Beside the fastest plans of each group alone, plans are weighed that were made for its share
/// of the links that others use, too; of all sets of plans that differ from the best so far in one call the fastest is taken, until none is faster.
/// Errors: ranks that are not there, groups of one call that share a rank, those of planners and of the simulator.
Result<ProcessGroupsPlan> plan_process_groups(const Topology& topology, const Profile& profile, const std::vector<GroupCall>& calls,
                                              const ProcessGroupsOptions& options = {});

/// No schedules of these calls, however they are planned, end all in less: each call's own bound, what must leave or enter a GPU or a server for all
/// of them, and what all GPUs must receive. The argument is a sentence.
std::pair<Seconds, std::string> bound_of_all(const Topology& topology, const std::vector<GroupCall>& calls, const ProcessGroupsOptions& options = {});

/// The collective of one group: a root is its first rank, pairs lead from each rank to the next one around.
Collective collective_of(const GroupCall& call, const std::vector<Rank>& group);

/// What a config of `kind: groups` asks for; its keys are in experiments/README.md.
struct ProcessGroupsConfig {
  std::string name;
  Topology topology;
  Profile profile;
  std::vector<GroupCall> calls;
  ProcessGroupsOptions options = {};
  std::vector<std::string> warnings = {};  // what the machine's description left open
};

/// Is the text that of a config of `kind: groups`?
bool is_process_groups(std::string_view text, const std::string& path);

/// Errors: every mistake with its place.
Result<ProcessGroupsConfig> read_process_groups(std::string_view text, const std::string& path);

std::string to_text(const ProcessGroupsPlan& plan, const std::vector<GroupCall>& calls, const Topology& topology);
std::string to_json(const ProcessGroupsPlan& plan, const std::vector<GroupCall>& calls, const Topology& topology);

}  // namespace p2plab
