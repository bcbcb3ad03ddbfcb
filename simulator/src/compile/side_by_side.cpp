// SPDX-License-Identifier: Apache-2.0
#include "compile/side_by_side.h"

namespace p2plab {

namespace {

// Adds one program: a lane for each thread block, with those works of which the block has slices.
class ProgramAdder {
 public:
  ProgramAdder(Compiled& out, const Compiled& from, std::uint32_t program)
      : out_(out), from_(from), program_(program), blocks_(from.blocks_per_lane), first_lane_(out.lanes.size()), refs_(out.path_refs.size()) {}

  void run() {
    out_.path_refs.insert(out_.path_refs.end(), from_.path_refs.begin(), from_.path_refs.end());
    count_places();
    for (std::size_t l = 0; l < from_.lanes.size(); ++l) {
      for (std::uint32_t part = 0; part < blocks_; ++part) add_lane(l, part);
    }
    out_.starts.insert(out_.starts.end(), from_.starts.begin(), from_.starts.end());
    out_.memories.insert(out_.memories.end(), from_.memories.begin(), from_.memories.end());
  }

 private:
  // Of each work and thread block: how many works before it in its lane has the block slices of?
  void count_places() {
    places_.resize(from_.works.size() * blocks_);
    for (const auto& lane : from_.lanes) {
      for (std::uint32_t part = 0; part < blocks_; ++part) {
        std::uint32_t place = 0;
        for (auto w = lane.first; w < lane.first + lane.count; ++w) {
          places_[std::size_t{w} * blocks_ + part] = place;
          if (from_.slices_of(from_.works[w], part) > 0) ++place;
        }
      }
    }
  }

  std::uint32_t place(const LaneInfo& lane, std::uint32_t work, std::uint32_t part) const {
    return places_[(std::size_t{lane.first} + work) * blocks_ + part];
  }

  void add_lane(std::size_t l, std::uint32_t part) {
    const auto& lane = from_.lanes[l];
    LaneInfo own{.rank = lane.rank,
                 .first = static_cast<std::uint32_t>(out_.works.size()),
                 .paths = static_cast<std::uint32_t>(out_.paths.size()),
                 .lanes = static_cast<std::uint32_t>(out_.lane_table.size()),
                 .program = program_};
    std::uint32_t slices = 0;
    for (std::uint32_t w = 0; w < lane.count; ++w) {
      const auto& work = from_.works[lane.first + w];
      const auto mine = from_.slices_of(work, part);
      if (mine == 0) continue;
      add_work(own, lane, work, part);
      out_.before.push_back(slices);
      slices += mine;
    }
    own.count = static_cast<std::uint32_t>(out_.works.size()) - own.first;
    copy_paths(l);
    out_.lanes.push_back(own);
    out_.totals.push_back(slices);
    out_.slices += slices;
  }

  void add_work(const LaneInfo& own, const LaneInfo& lane, const Work& work, std::uint32_t part) {
    auto mine = work;
    mine.slices = from_.slices_of(work, part);
    const auto last = part + std::int64_t{mine.slices - 1} * blocks_;
    mine.bytes = (std::int64_t{mine.slices} - 1) * work.slice_bytes + Compiled::slice_bytes(work, last);
    mine.paths += static_cast<std::uint32_t>(refs_);
    mine.waits = static_cast<std::uint32_t>(out_.waits.size());
    if (work.own_dependency >= 0) {
      const auto needed = static_cast<std::uint32_t>(work.own_dependency);
      const bool there = from_.slices_of(from_.works[lane.first + needed], part) > 0;
      mine.own_dependency = there ? static_cast<std::int32_t>(place(lane, needed, part)) : -1;
    }
    for (auto w = work.waits; w < work.waits + work.wait_count; ++w) add_wait(own, lane, from_.waits[w], part);
    mine.wait_count = static_cast<std::uint32_t>(out_.waits.size()) - mine.waits;
    out_.works.push_back(mine);
  }

  // A slice waits for the one of the same number, so a thread block for that of the same number; or for the last slice, whose block follows from it.
  void add_wait(const LaneInfo& own, const LaneInfo& lane, const Awaited& wait, std::uint32_t part) {
    const auto of = wait.last ? (wait.slices - 1) % blocks_ : part;
    if (wait.slices <= of) return;
    const auto entry = from_.lane_table[lane.lanes + wait.lane];
    const auto other = entry & ~other_rank;
    out_.waits.push_back({.lane = static_cast<std::uint32_t>(out_.lane_table.size()) - own.lanes,
                          .work = place(from_.lanes[other], wait.work, of),
                          .slices = (wait.slices - of + blocks_ - 1) / blocks_,
                          .last = wait.last});
    out_.lane_table.push_back((entry & other_rank) | (static_cast<std::uint32_t>(first_lane_) + other * blocks_ + of));
  }

  // Stages tell who had his turn last, so each thread block has its own.
  void copy_paths(std::size_t l) {
    const auto end = l + 1 < from_.lanes.size() ? from_.lanes[l + 1].paths : from_.paths.size();
    for (std::size_t p = from_.lanes[l].paths; p < end; ++p) {
      auto path = from_.paths[p];
      const auto first = static_cast<std::uint32_t>(out_.stages.size());
      out_.stages.insert(out_.stages.end(), from_.stages.begin() + path.first, from_.stages.begin() + path.end);
      path.end = first + path.end - path.first;
      path.first = first;
      out_.paths.push_back(path);
    }
  }

  Compiled& out_;
  const Compiled& from_;
  std::uint32_t program_;
  std::uint32_t blocks_;
  std::size_t first_lane_;
  std::size_t refs_;
  std::vector<std::uint32_t> places_;  // [work * blocks + part]
};

}  // namespace

Compiled side_by_side(const std::vector<Compiled>& all, int ranks) {
  Compiled out;
  out.resources = all.front().resources;
  out.names = all.front().names;
  out.minimum_transfer = all.front().minimum_transfer;
  out.program_costs.clear();
  for (const auto& one : all) {
    out.program_costs.push_back(one.program_costs.front());
    ProgramAdder(out, one, static_cast<std::uint32_t>(out.program_costs.size() - 1)).run();
  }
  number_ranks(out, ranks, true);
  return out;
}

void number_ranks(Compiled& joined, int ranks, bool apart) {
  for (auto& lane : joined.lanes) {
    const auto rank = lane.rank.value % ranks;
    lane.rank = Rank{apart ? std::int64_t{lane.program} * ranks + rank : rank};
  }
}

}  // namespace p2plab
