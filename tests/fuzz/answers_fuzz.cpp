// SPDX-License-Identifier: Apache-2.0
// Reads any lines as answers about a machine, and builds a machine with them.
#include <string>
#include <utility>
#include <vector>

#include "p2plab/machine/topology_import.h"
#include "round_trip.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = p2plab::test::text_of(data, size);
  std::vector<std::pair<std::string, std::string>> words;
  for (std::size_t at = 0; at < text.size() && words.size() < 64;) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    const auto equals = std::min(line.find('='), line.size());
    words.emplace_back(line.substr(0, equals), line.substr(std::min(equals + 1, line.size())));
    at = end + 1;
  }
  const auto answers = p2plab::read_answers(words);
  p2plab::expects(answers || !describe(answers.error()).empty());
  if (!answers) return 0;
  const auto imported = p2plab::import_smi(
      "GPU0 GPU1 GPU2 GPU3 CPU Affinity NUMA Affinity\nGPU0 X NV4 SYS SYS 0-3 0\nGPU1 NV4 X SYS SYS 0-3 0\nGPU2 SYS SYS X NV4 4-7 1\n"
      "GPU3 SYS SYS NV4 X 4-7 1\n",
      "fuzz.txt", *answers);
  p2plab::expects(imported || !describe(imported.error()).empty());
  if (imported) p2plab::test::expect_round_trip(imported->topology);
  return 0;
}
