// SPDX-License-Identifier: Apache-2.0
#include "sources/texts/smi_words.h"

#include <algorithm>
#include <array>

#include "p2plab/machine/topology_import.h"
#include "sources/ibnetdiscover/ibnetdiscover.h"

namespace p2plab {

std::vector<Word> words_of(std::string_view text, std::size_t start) {
  std::vector<Word> found;
  const auto end = std::min(text.find('\n', start), text.size());
  for (auto i = start; i < end;) {
    if (text[i] == '\x1b') {
      ++i;
      if (i < end && text[i] == '[') ++i;
      while (i < end && !((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z'))) ++i;
      i = std::min(i + 1, end);
      continue;
    }
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\x1b'; };
    if (is_blank(text[i])) {
      ++i;
      continue;
    }
    const auto from = i;
    while (i < end && !is_blank(text[i])) ++i;
    found.push_back({text.substr(from, i - from), from});
  }
  return found;
}

Result<Imported> import_text(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  if (is_ibnetdiscover(text)) return import_ibnetdiscover(text, filename, answers);
  constexpr std::array<std::string_view, 3> amds{"between two GPUs", "LINK TYPE TABLE", "ROCm System Management Interface"};
  const bool amd = std::ranges::any_of(amds, [&](std::string_view words) { return text.find(words) != std::string_view::npos; });
  return amd ? import_rocm(text, filename, answers) : import_smi(text, filename, answers);
}

}  // namespace p2plab
