// SPDX-License-Identifier: Apache-2.0
#include "compile/loops.h"

#include <map>

namespace p2plab {

namespace {

constexpr std::uint32_t least_works = 48;  // of a lane, for a loop
constexpr std::uint32_t least_rounds = 8;  // works of a lane over their kinds; else nothing comes again often

using Kind = std::vector<std::int64_t>;

// All of a work that decides what it does, but which works it waits for.
Kind kind_of(const Compiled& program, std::uint32_t work, std::uint32_t first) {
  const auto& w = program.works[work];
  const auto own = w.own_dependency < 0 ? -1 : static_cast<std::int64_t>(work - first) - w.own_dependency;
  Kind kind{w.bytes, w.slice_bytes, w.slices, own, w.local_operands, w.sources, w.destinations, w.cost, w.after};
  for (std::uint32_t o = 0; o < std::uint32_t{w.sources} + w.destinations; ++o) kind.push_back(program.path_refs[w.paths + o]);
  for (auto i = w.waits; i < w.waits + w.wait_count; ++i) {
    const auto& wait = program.waits[i];
    kind.insert(kind.end(), {wait.lane, wait.slices, wait.last ? 1 : 0});
  }
  return kind;
}

}  // namespace

void Loops::find() {
  std::uint32_t most = 0;
  for (const auto& lane : program_.lanes) most = std::max(most, lane.count);
  if (most < least_works) return;
  std::map<Kind, std::uint32_t> known;
  std::vector<std::uint32_t> kinds(program_.works.size());
  std::vector<bool> done(program_.works.size());
  for (const auto& lane : program_.lanes) {
    if (lane.count == 0 || done[lane.first]) continue;
    done[lane.first] = true;
    const auto before = known.size();
    for (auto work = lane.first; work < lane.first + lane.count; ++work) {
      kinds[work] = known.try_emplace(kind_of(program_, work, lane.first), static_cast<std::uint32_t>(known.size())).first->second;
      if (lane.count >= least_works && (known.size() - before) * least_rounds > lane.count) return;
    }
  }
  kinds_ = std::move(kinds);
}

std::uint32_t Loops::alike_until(std::uint32_t lane, std::uint32_t from, std::span<const std::uint32_t> shifts) const {
  const auto& info = program_.lanes[lane];
  const auto shift = shifts[lane];
  const auto goes_on = [&](std::uint32_t work) {
    if (kinds_[work] != kinds_[work + shift]) return false;
    const auto& one = program_.works[work];
    const auto& later = program_.works[work + shift];
    for (std::uint32_t i = 0; i < one.wait_count; ++i) {
      const auto& wait = program_.waits[one.waits + i];
      if (program_.waits[later.waits + i].work != wait.work + shifts[program_.awaited_lane(info, wait)]) return false;
    }
    return true;
  };
  auto work = from;
  while (work + shift < info.first + info.count && goes_on(work)) ++work;
  return work;
}

}  // namespace p2plab
