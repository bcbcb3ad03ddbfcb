// SPDX-License-Identifier: Apache-2.0
#include "engine/calls_in_a_row.h"

#include <limits>

namespace p2plab {

namespace {

// When the first of the ranks that do anything begins its next call, and how much later each rank does.
struct Begin {
  SimTime first{0};
  std::vector<SimTime> late;
};

Begin next(const std::vector<SimTime>& free) {
  Begin begin;
  begin.first = SimTime::max();
  for (const auto time : free) begin.first = time > SimTime{0} ? std::min(begin.first, time) : begin.first;
  for (const auto time : free) begin.late.push_back(std::max(time - begin.first, SimTime{0}));
  return begin;
}

}  // namespace

std::int64_t most_calls_at_once(const Program& program) {
  const auto stages = packet_stages(*program.packets);
  if (stages.empty()) return std::numeric_limits<std::int32_t>::max();  // too many to say
  int last = 1;
  for (const auto& rank : stages) {
    for (const auto stage : rank) last = std::max<int>(last, stage);
  }
  return last + 1;
}

Result<SimTime> CallsInARow::period(const SimResult& first, const std::function<Result<SimResult>(Compiled&)>& play) const {
  constexpr std::size_t most_calls = 8;
  std::vector<std::vector<SimTime>> lates{std::vector<SimTime>(first.rank_free.size())};
  std::vector<SimTime> begins{SimTime{0}};
  auto free = first.rank_free;
  while (true) {
    auto begin = next(free);
    if (begin.first == SimTime::max()) return first.makespan;
    begins.push_back(begins.back() + begin.first);
    auto since = static_cast<std::size_t>(std::ranges::find(lates, begin.late) - lates.begin());
    if (lates.size() == most_calls) since = std::min(since, most_calls - 2);
    if (since < lates.size()) {
      const auto calls = static_cast<std::int64_t>(lates.size() - since);
      return std::max((begins.back() - begins[since]) / calls, first.busiest);
    }
    lates.push_back(begin.late);
    auto again = program_;
    for (std::size_t r = 0; r < begin.late.size(); ++r) again.starts[r] += begin.late[r].count();
    auto result = play(again);
    if (!result) return std::move(result).error();
    free = std::move(result->rank_free);
  }
}

}  // namespace p2plab
