// SPDX-License-Identifier: Apache-2.0
// The commands there are. CLI11, which takes seconds to compile, is not needed to list them.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/base/result.h"

namespace CLI {
class App;
}

namespace p2plab::cli {

class Watch;

/// A command that was added to the parser, and what it does once its options are read. It prints its report through the watch; what goes wrong is
/// returned, and main says it on stderr.
struct Command {
  CLI::App* app = nullptr;
  std::function<Status(Watch&)> run;
};

/// Those of this program, in the order of --help.
std::vector<Command> all_commands(CLI::App& app);

Command run_command(CLI::App& parent);
Command bench_command(CLI::App& parent);
Command calibrate_command(CLI::App& parent);
Command plan_command(CLI::App& parent);
Command bound_command(CLI::App& parent);
Command frontier_command(CLI::App& parent);
Command groups_command(CLI::App& parent);
Command place_command(CLI::App& parent);
Command advise_command(CLI::App& parent);
Command doctor_command(CLI::App& parent);
Command monitor_command(CLI::App& parent);
Command explain_command(CLI::App& parent);
Command validate_command(CLI::App& parent);
Command tune_command(CLI::App& parent);
Command verify_command(CLI::App& parent);
Command simulate_command(CLI::App& parent);
Command export_command(CLI::App& parent);
Command import_plan_command(CLI::App& parent);
Command what_if_command(CLI::App& parent);
Command compare_command(CLI::App& parent);
std::vector<Command> topo_commands(CLI::App& parent);
std::vector<Command> list_commands(CLI::App& parent);
std::vector<Command> config_commands(CLI::App& parent);

}  // namespace p2plab::cli
