// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "p2plab/program/packet_program.h"

namespace p2plab {

std::vector<std::vector<std::uint8_t>> packet_stages(const PacketProgram& program) {
  constexpr int most = 255;
  std::vector<std::vector<std::uint8_t>> stages;
  for (const auto& items : program.ranks) stages.emplace_back(items.size());
  std::vector<int> arrives(program.messages.size());  // the first stage that finds a message there
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
      const auto& items = program.ranks[r];
      int stage = 0;
      for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
        end = begin + 1;
        while (end < items.size() && items[end].joins) ++end;
        for (auto i = begin; i < end; ++i) {
          for (const auto& source : items[i].sources) {
            if (is_landing(source)) stage = std::max(stage, arrives[static_cast<std::size_t>(source.message)]);
          }
        }
        if (stage > most) return {};
        for (auto i = begin; i < end; ++i) {
          stages[r][i] = static_cast<std::uint8_t>(stage);
          for (const auto& destination : items[i].destinations) {
            if (!is_landing(destination)) continue;
            auto& there = arrives[static_cast<std::size_t>(destination.message)];
            changed = changed || there < stage + 1;
            there = std::max(there, stage + 1);
          }
        }
      }
    }
  }
  return stages;
}

}  // namespace p2plab
