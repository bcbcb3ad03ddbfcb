// SPDX-License-Identifier: Apache-2.0
// The one command of p2plab-run, which is what ./dev run builds.
#include "cli/program/commands.h"

namespace p2plab::cli {

std::vector<Command> all_commands(CLI::App& app) { return {run_command(app)}; }

}  // namespace p2plab::cli
