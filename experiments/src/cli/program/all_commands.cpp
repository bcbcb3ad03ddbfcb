// SPDX-License-Identifier: Apache-2.0
// The commands of the program p2plab.
#include <algorithm>
#include <iterator>

#include "cli/program/commands.h"

namespace p2plab::cli {

std::vector<Command> all_commands(CLI::App& app) {
  std::vector<Command> commands{run_command(app)};
  const auto add = [&](std::vector<Command> more) { std::ranges::move(more, std::back_inserter(commands)); };
  add(topo_commands(app));
  commands.push_back(plan_command(app));
  commands.push_back(groups_command(app));
  commands.push_back(place_command(app));
  commands.push_back(advise_command(app));
  commands.push_back(doctor_command(app));
  commands.push_back(monitor_command(app));
  commands.push_back(explain_command(app));
  commands.push_back(validate_command(app));
  commands.push_back(verify_command(app));
  commands.push_back(simulate_command(app));
  commands.push_back(what_if_command(app));
  commands.push_back(export_command(app));
  commands.push_back(import_plan_command(app));
  commands.push_back(compare_command(app));
  commands.push_back(bound_command(app));
  commands.push_back(frontier_command(app));
  commands.push_back(bench_command(app));
  commands.push_back(calibrate_command(app));
  commands.push_back(tune_command(app));
  add(list_commands(app));
  add(config_commands(app));
  return commands;
}

}  // namespace p2plab::cli
