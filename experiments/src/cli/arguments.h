// SPDX-License-Identifier: Apache-2.0
// Words of the command line as values; a word that is wrong is the input's fault or, for numbers and lists, a wrong use.
#pragma once

#include <string>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/base/registry.h"
#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/simulator/profile.h"

namespace CLI {
class App;
}

namespace p2plab::cli {

/// Ranks "0,1,4": each once and below `ranks`. Empty text gives all of them.
Result<std::vector<Rank>> rank_list(const std::string& text, int ranks);

/// What says which collective and who takes part; others may relay.
struct GroupArguments {
  std::string collective = "all_reduce";
  int root = 0;
  std::string ranks;
};

/// The options --collective, --root and --ranks.
void add_group_options(CLI::App& app, GroupArguments& arguments);

/// The collective on a machine of `ranks` ranks. Errors: unknown names, ranks that are not there.
Result<Collective> collective_from(const GroupArguments& arguments, int ranks);

/// Each "key=value", keys once.
Result<Parameters> parameter_list(const std::vector<std::string>& words);

/// The profile of a file; the ideal one without a path. Errors: those of the file.
Result<Profile> profile_from(const std::string& path);

/// The plan in a file; old words in it are a warning on stderr. Errors: those of `load_plan`.
Result<PlanFile> plan_from(const std::string& path);
/// A plan that has been read; its old words are a warning on stderr.
Result<PlanFile> told(Result<PlanFile> file);

/// The machine that --topology names. What its file does not tell is a warning on stderr. Errors: those of `resolve_topology`.
Result<Topology> topology_from(const std::string& text);

/// Writes a file; errors: io.
Status write_text(const std::string& path, const std::string& text);

}  // namespace p2plab::cli
