// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include <CLI/CLI.hpp>

namespace p2plab::cli {

namespace {

std::string_view variable(const char* name) {
  const auto* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

void add_terminal_options(CLI::App& app, TerminalArguments& arguments) {
  app.add_option("--columns", arguments.columns, "fit the tables into so many columns (default: the terminal's width)")
      ->type_name("N")
      ->check(CLI::Range(20, 10000));
  app.add_flag("--wide", arguments.wide, "every column of the tables, however wide they are");
}

TextLayout layout_of(const TerminalArguments& arguments) {
  TextLayout layout{.columns = arguments.columns, .wide = arguments.wide};
  if (isatty(STDOUT_FILENO) == 0) return layout;
  winsize size{};
  if (layout.columns == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) layout.columns = size.ws_col;
  layout.colour = variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  return layout;
}

}  // namespace p2plab::cli
