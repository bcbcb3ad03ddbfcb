// SPDX-License-Identifier: Apache-2.0
// For whom a report is written as text: a terminal of so many columns, a file, a pipe.
#pragma once

namespace p2plab {

struct TextLayout {
  int columns = 0;      // lines are to fit into so many; 0: no limit
  bool wide = false;    // keep every column of a table, whether it fits and says something or not
  bool colour = false;  // with the terminal's escapes for bold and red
};

}  // namespace p2plab
