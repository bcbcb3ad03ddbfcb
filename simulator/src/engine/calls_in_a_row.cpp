// SPDX-License-Identifier: Apache-2.0
#include "engine/calls_in_a_row.h"

#include <limits>

namespace p2plab {

namespace {

constexpr std::size_t least_calls = 8;           // as many are played, whatever they cost
constexpr std::size_t most_calls = 40;           // and no more
constexpr std::int64_t most_events = 4'000'000;  // of all, where there are more than eight: about a second
constexpr std::size_t calls_before_a_leap = 4;   // from a new lead of ranks over each other
constexpr std::int64_t first_leap = 16;          // calls
constexpr std::int64_t longest_leap = 1024;      // beyond, ranks that wait for no other one would be days behind

// The ranks' begins, call after call, and what they say of the period.
class Row {
 public:
  Row(std::vector<SimTime> begins, const std::vector<SimTime>& free, SimTime busiest) : period_{.at_least = busiest}, begins_{std::move(begins)} {
    for (std::size_t r = 0; r < free.size(); ++r) {
      if (free[r] > SimTime{0}) busy_.push_back(r);
    }
  }

  bool is_idle() const { return busy_.empty(); }
  const Period& period() const& { return period_; }
  std::size_t calls() const { return begins_.size() - 1; }

  /// How much later than the first one each rank begins its next call.
  std::vector<SimTime> late() const {
    const auto first = earliest();
    std::vector<SimTime> late(begins_.back().size());
    for (const auto r : busy_) late[r] = begins_.back()[r] - first;
    return late;
  }

  /// When each rank was free, by the clock of the first one's begin.
  void add(const std::vector<SimTime>& free) {
    auto next = begins_.back();
    const auto first = earliest();
    for (const auto r : busy_) next[r] = first + free[r];
    begins_.push_back(std::move(next));
    for (std::size_t since = 0; since + 1 < begins_.size(); ++since) count(since);
    period_.at_most = std::max(period_.at_most, period_.at_least);
  }

  /// Ranks that advance more than others fall behind them until something holds those up: goes on as if they had for so many calls.
  void leap(std::int64_t calls) {
    constexpr std::size_t over = 2;  // the data's and the token's way take turns
    auto late = this->late();
    const auto& before = begins_[begins_.size() - 1 - over];
    auto least = SimTime::max();
    for (const auto r : busy_) least = std::min(least, begins_.back()[r] - before[r]);
    const auto most = period_.at_most - period_.at_least;  // in the long run
    for (const auto r : busy_) late[r] += std::min(most, (begins_.back()[r] - before[r] - least) / static_cast<std::int64_t>(over)) * calls;
    begins_ = {std::move(late)};
  }

 private:
  SimTime earliest() const {
    auto first = SimTime::max();
    for (const auto r : busy_) first = std::min(first, begins_.back()[r]);
    return first;
  }

  void count(std::size_t since) {
    const auto calls = static_cast<std::int64_t>(begins_.size() - 1 - since);
    auto least = SimTime::max();
    auto most = SimTime{0};
    for (const auto r : busy_) {
      const auto advance = begins_.back()[r] - begins_[since][r];
      least = std::min(least, advance);
      most = std::max(most, advance);
    }
    period_.at_least = std::max(period_.at_least, least / calls);
    period_.at_most = std::min(period_.at_most, most / calls);
  }

  Period period_;
  std::vector<std::vector<SimTime>> begins_;  // by call and rank
  std::vector<std::size_t> busy_;             // the ranks that do anything
};

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

Result<Period> CallsInARow::period(const SimResult& first, SimTime useful, const Play& play) const {
  Row row(std::vector<SimTime>(first.rank_free.size()), first.rank_free, first.busiest);
  if (row.is_idle()) return Period{first.makespan, first.makespan};
  row.add(first.rank_free);
  const auto affordable = std::clamp<std::size_t>(static_cast<std::size_t>(most_events / std::max<std::int64_t>(1, first.events)), 0, most_calls);
  auto calls = first_leap;
  for (std::size_t played = 1; played < std::max(least_calls, affordable); ++played) {
    if (row.period().is_settled() || row.period().at_least > useful) break;
    if (played >= least_calls && row.period().is_near()) break;
    if (played >= least_calls && row.calls() >= calls_before_a_leap) row.leap(std::exchange(calls, std::min(longest_leap, calls * 4)));
    auto again = program_;
    const auto late = row.late();
    for (std::size_t r = 0; r < late.size(); ++r) again.starts[r] += late[r].count();
    auto result = play(again);
    if (!result) return std::move(result).error();
    row.add(result->rank_free);
  }
  return row.period();
}

}  // namespace p2plab
