// SPDX-License-Identifier: Apache-2.0
// Slack: backwards over the recorded slices, each bounded by those that its end lets go.
#include <algorithm>

#include "compile/compiled.h"
#include "explain/slice_index.h"
#include "p2plab/simulator/critical_path.h"

namespace p2plab {

namespace {

class SlackSearch {
 public:
  SlackSearch(const Compiled& compiled, const Program& program, const SimResult& result)
      : c_(compiled), program_(program), result_(result), slices_(result.recording.slices), index_(compiled, program, result.recording) {}

  std::vector<SimTime> run() {
    slack_.resize(slices_.size());
    dependents_.assign(slices_.size(), 0);
    for (std::size_t s = 0; s < slices_.size(); ++s) slack_[s] = (result_.makespan - slices_[s].complete).count();
    for (std::size_t s = 0; s < slices_.size(); ++s) {
      each_before(s, [&](std::size_t before, std::int64_t) { ++dependents_[before]; });
    }
    std::vector<std::size_t> ready;
    for (std::size_t s = 0; s < slices_.size(); ++s) {
      if (dependents_[s] == 0) ready.push_back(s);
    }
    while (!ready.empty()) {
      const auto s = ready.back();
      ready.pop_back();
      each_before(s, [&](std::size_t before, std::int64_t gap) {
        slack_[before] = std::min(slack_[before], slack_[s] + gap);
        if (--dependents_[before] == 0) ready.push_back(before);
      });
    }
    return by_step();
  }

 private:
  // Every slice that `s` had to wait for, with the time between that one's letting go and s's going on.
  template <class Visit>
  void each_before(std::size_t s, Visit visit) const {
    const auto& record = slices_[s];
    const auto& i = program_.instructions[record.instruction];
    const auto rank = program_.lanes[record.block / c_.blocks_per_lane].rank;
    if (const auto before = index_.before(s); before != SliceIndex::none) {
      const auto& p = slices_[before];
      visit(before, std::max<std::int64_t>(
                        0, std::min(record.injected - p.released, record.complete - p.complete).count() - index_.work(record.instruction).cost));
    }
    auto at = index_.work(record.instruction).waits;
    for (const auto& wait : program_.waits_of(i)) {
      const auto& lane = program_.lanes[wait.lane.index()];
      const auto awaited = lane.first + static_cast<std::uint32_t>(wait.instruction);
      const auto slice = c_.waits[at++].slice(static_cast<std::uint32_t>(record.slice));
      if (slice >= index_.work(awaited).slices) continue;
      const auto other = index_.of(awaited, slice);
      visit(other, std::max<std::int64_t>(0, (record.issued - slices_[other].complete).count() - index_.signal(rank, lane.rank)));
    }
    const auto own = index_.work(record.instruction).own_dependency;
    if (own < 0) return;
    const auto written = program_.lanes[record.block / c_.blocks_per_lane].first + static_cast<std::uint32_t>(own);
    if (record.slice >= index_.work(written).slices) return;
    const auto other = index_.of(written, record.slice);
    visit(other, std::max<std::int64_t>(0, (record.issued - slices_[other].complete).count()));
  }

  std::vector<SimTime> by_step() const {
    std::int64_t steps = 0;
    for (const auto& i : program_.instructions) steps = std::max(steps, std::int64_t{i.step.value} + 1);
    std::vector<SimTime> slack(static_cast<std::size_t>(steps), result_.makespan);
    for (std::size_t s = 0; s < slices_.size(); ++s) {
      const auto step = program_.instructions[slices_[s].instruction].step;
      if (step.value >= 0) slack[step.index()] = std::min(slack[step.index()], SimTime{slack_[s]});
    }
    return slack;
  }

  const Compiled& c_;
  const Program& program_;
  const SimResult& result_;
  const std::vector<SliceRecord>& slices_;
  SliceIndex index_;
  std::vector<std::int64_t> slack_;
  std::vector<std::uint32_t> dependents_;
};

}  // namespace

std::vector<SimTime> step_slack(const Topology& topology, const Program& program, const Profile& profile, const SimResult& result) {
  const auto& ran = recorded(program, result.recording);
  const auto compiled = compile(topology, topology.routes(), ran, profile);
  expects(static_cast<bool>(compiled));
  return SlackSearch{*compiled, ran, result}.run();
}

}  // namespace p2plab
