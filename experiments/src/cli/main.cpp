// SPDX-License-Identifier: Apache-2.0
// The command line: reads it, runs one command, turns its result into an exit code (0 done, 1 input or machine, 2 usage, 3 verification failed).
#include <algorithm>
#include <iostream>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/commit.h"
#include "p2plab/experiment/version.h"

namespace p2plab::cli {

namespace {

std::vector<Command> all_commands(CLI::App& app) {
  std::vector<Command> commands{run_command(app)};
  const auto add = [&](std::vector<Command> more) { std::ranges::move(more, std::back_inserter(commands)); };
  add(topo_commands(app));
  commands.push_back(plan_command(app));
  commands.push_back(place_command(app));
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

// The command that the arguments led to, as far as they were understood.
const CLI::App* deepest(const CLI::App& app) {
  const auto* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> names_of_flags(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    for (const auto& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

Error usage_error(const std::string& message, const CLI::App& app) {
  const auto* at = deepest(app);
  std::string name = at->get_name();
  for (const auto* up = at->get_parent(); up != nullptr; up = up->get_parent()) name = up->get_name() + " " + name;
  return Error{ErrorCode::usage, message, std::nullopt, {fmt::format("see '{} --help'", name)}};
}

// An argument that no command takes: names the nearest that one does.
Error unexpected(const std::string& argument, const CLI::App& app) {
  const auto* at = deepest(app);
  const bool flag = argument.starts_with("-");
  const auto known = flag ? names_of_flags(*at) : names_of_commands(*at);
  auto help = usage_error("", app);
  if (!flag && known.empty()) {
    help.message = fmt::format("unexpected argument '{}'", argument);
    return help;
  }
  auto error = unknown_name(flag ? "option" : "command", flag ? argument.substr(0, argument.find('=')) : argument, known);
  error.code = ErrorCode::usage;
  error.notes.insert(error.notes.end(), help.notes.begin(), help.notes.end());
  return error;
}

int report(const Error& error) {
  std::cerr << describe(error);
  return exit_code(error);
}

// Ends with the exit code if the arguments ask for help or are wrong.
std::optional<int> parse(CLI::App& app, int count, char** arguments) {
  try {
    app.parse(count, arguments);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << deepest(app)->help();
    return 0;
  } catch (const CLI::CallForVersion&) {
    std::cout << "p2plab " << version() << (commit().empty() ? "" : fmt::format(" ({})", commit())) << '\n';
    return 0;
  } catch (const CLI::ParseError& fault) {
    const auto rest = app.remaining(true);
    if (!rest.empty()) return report(unexpected(rest.front(), app));
    if (count < 2) std::cerr << app.help();
    return report(usage_error(fault.what(), app));
  }
}

int main_of(int count, char** arguments) {
  CLI::App app("Plans, proves, predicts and runs collectives on any machine of GPUs.", "p2plab");
  app.set_version_flag("--version", std::string{version()});
  app.footer("Example: p2plab run configs/8gpu_nvlink.yaml");
  app.require_subcommand(1);
  const auto commands = all_commands(app);
  if (const auto ended = parse(app, count, arguments)) return *ended;
  const auto chosen = std::ranges::find(commands, deepest(app), [](const Command& command) -> const CLI::App* { return command.app; });
  expects(chosen != commands.end());
  const auto done = chosen->run();
  std::cout.flush();
  return done ? 0 : report(done.error());
}

}  // namespace

}  // namespace p2plab::cli

int main(int count, char** arguments) { return p2plab::cli::main_of(count, arguments); }
