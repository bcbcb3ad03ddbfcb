// SPDX-License-Identifier: Apache-2.0
// What every command of the command line is made of: one file per command, one function that adds it.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/program/commands.h"
#include "cli/watch.h"

namespace p2plab::cli {

/// Adds `name` below `parent` with a summary and an example for --help.
inline CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& summary, const std::string& example) {
  auto* command = parent.add_subcommand(name, summary);
  command->footer("Example: " + example);
  return command;
}

}  // namespace p2plab::cli
