// SPDX-License-Identifier: Apache-2.0
// The words of a line that nvidia-smi wrote for a terminal.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace p2plab {

/// A word and the byte of the text where it starts.
struct Word {
  std::string_view text;
  std::size_t at = 0;
};

/// The words of the line that starts at `start`. Escape sequences ("\x1b[4m") separate words like blanks.
std::vector<Word> words_of(std::string_view text, std::size_t start);

}  // namespace p2plab
