// SPDX-License-Identifier: Apache-2.0
// How wide the terminal is, and whether it wants colour.
#pragma once

#include "p2plab/report/text_layout.h"

namespace CLI {
class App;
}

namespace p2plab::cli {

struct TerminalArguments {
  int columns = 0;  // 0: as the terminal
  bool wide = false;
};

/// The options --columns and --wide.
void add_terminal_options(CLI::App& app, TerminalArguments& arguments);

/// The layout for stdout. Without --columns it is as wide as the terminal; a file or a pipe has no width. Colour is for terminals that know it, and
/// not for those who set NO_COLOR (no-color.org).
TextLayout layout_of(const TerminalArguments& arguments);

}  // namespace p2plab::cli
