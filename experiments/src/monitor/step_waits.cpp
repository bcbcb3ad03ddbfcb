// SPDX-License-Identifier: Apache-2.0
#include "monitor/step_waits.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "monitor/rank_log.h"
#include "monitor/view_words.h"

namespace p2plab::monitor {

std::vector<std::string> step_waits(const RecordedProcess& process) {
  std::map<std::uint64_t, std::vector<const RecordedStep*>> steps;  // by call
  for (const auto& step : process.steps) {
    if (step.ended >= step.begun) steps[step.call].push_back(&step);
  }
  std::map<std::uint16_t, const RecordedCall*> last;  // by side
  for (const auto& call : process.calls) {
    if (steps.contains(call.number)) last[call.side] = &call;
  }
  std::vector<std::string> sentences;
  for (const auto& [side, call] : last) {
    std::uint64_t waited = 0;
    std::uint64_t all = 0;
    const auto& of_call = steps.at(call->number);
    for (const auto* step : of_call) {
      waited += step->waited;
      all += step->ended - step->begun;
    }
    const auto& longest = **std::ranges::max_element(of_call, {}, &RecordedStep::waited);
    const auto& rank = process.sides[side];
    auto text = fmt::format("communicator {}: rank {}, {} {} of {} {}, the last call with steps: its blocks waited {:.0f} % of their time",
                            name_of(rank), rank.rank, kind_word(call->kind), call->sequence, call->count, type_word(call->type),
                            all > 0 ? 100 * static_cast<double>(waited) / static_cast<double>(all) : 0);
    if (longest.waited > 0)
      text += fmt::format(", longest in step {} (lane {}, block {}: {:.2f} us)", step_word(longest.step), longest.lane, longest.block,
                          us(longest.waited));
    sentences.push_back(std::move(text));
  }
  return sentences;
}

}  // namespace p2plab::monitor
