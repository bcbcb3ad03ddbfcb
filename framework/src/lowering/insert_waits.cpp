// SPDX-License-Identifier: Apache-2.0
#include "lowering/insert_waits.h"

#include <algorithm>
#include <utility>

namespace p2plab {

namespace {

// What is known about another lane before some instruction: for every slice s < slices, slice s of `instruction` is complete, and with it all
// that this lane's thread block did before.
struct Knowledge {
  std::int32_t instruction = -1;
  std::int64_t slices = 0;
  bool covers(std::int32_t wanted, std::int64_t needed) const { return instruction >= wanted && slices >= needed; }
};

// Knowledge about all lanes, kept per lane while the schedule is walked, and remembered per instruction: a vector clock. Quadratic in lanes, so
// only used where that is affordable; without it only waits on the same lane are merged.
class Clocks {
 public:
  Clocks(const Program& program, bool wanted) : lanes_(program.lanes.size()) {
    constexpr std::size_t affordable = std::size_t{1} << 21;
    transitive_ = wanted && lanes_ * program.instructions.size() <= affordable;
    if (!transitive_) return;
    current_.resize(lanes_ * lanes_);
    at_.resize(lanes_ * program.instructions.size());
  }

  bool transitive() const { return transitive_; }
  Knowledge& known(LaneId by, LaneId about) { return current_[by.index() * lanes_ + about.index()]; }

  // Instruction `index` (of the whole program) of lane `by` is about to run with the knowledge gathered so far.
  void remember(LaneId by, std::size_t index) {
    std::copy_n(current_.begin() + static_cast<std::ptrdiff_t>(by.index() * lanes_), lanes_,
                at_.begin() + static_cast<std::ptrdiff_t>(index * lanes_));
  }

  // Lane `by` has waited for an instruction that has `slices` slices: it learns that instruction and all that was known before it.
  void learn(LaneId by, LaneId from, std::int32_t instruction, std::size_t index, std::int64_t slices) {
    for (std::size_t about = 0; about < lanes_; ++about) {
      auto news = at_[index * lanes_ + about];
      news.slices = std::min(news.slices, slices);
      improve(known(by, LaneId{static_cast<std::int64_t>(about)}), news);
    }
    improve(known(by, from), {instruction, slices});
  }

 private:
  static void improve(Knowledge& old, const Knowledge& news) {
    if (news.instruction > old.instruction && news.slices >= old.slices) old = news;
    if (news.instruction == old.instruction) old.slices = std::max(old.slices, news.slices);
  }

  std::size_t lanes_;
  bool transitive_ = false;
  std::vector<Knowledge> current_;
  std::vector<Knowledge> at_;
};

class WaitBuilder {
 public:
  WaitBuilder(Program& program, const Dependencies& dependencies, const StepPlaces& places)
      : program_(program),
        dependencies_(dependencies),
        places_(places),
        clocks_(program, places.transitive),
        last_kept_(program.lanes.size() * static_cast<std::size_t>(program.folded ? program.images->images() : 1), -1) {}

  void visit(StepId step) {
    const auto [lane, own] = places_.of[step.index()];
    auto& instruction = program_.instructions[program_.lanes[lane.index()].first + static_cast<std::uint32_t>(own)];
    candidates_.clear();
    for (const auto before : dependencies_.of(step, before_)) {
      const auto& place = places_.of[before.index()];
      const auto named = places_.named ? places_.named(step, before) : place.lane;
      if (place.lane.value >= 0 && named != lane) candidates_.push_back({place, named});
    }
    // Later instructions first: what they imply need not be waited for.
    std::ranges::sort(candidates_, [&](const Candidate& a, const Candidate& b) { return step_of(a.place) > step_of(b.place); });
    for (const auto& wait : kept_) last_kept_[wait.lane.index()] = -1;
    kept_.clear();
    kept_before_.clear();
    for (const auto& candidate : candidates_) consider(lane, candidate, program_.slices(instruction));
    instruction.waits = static_cast<std::uint32_t>(program_.waits.size());
    instruction.wait_count = static_cast<std::uint32_t>(kept_.size());
    program_.waits.insert(program_.waits.end(), kept_.begin(), kept_.end());
    if (clocks_.transitive()) clocks_.remember(lane, index_of(places_.of[step.index()]));
  }

 private:
  struct Candidate {
    StepPlace place;
    LaneId named;
  };

  std::size_t index_of(const StepPlace& place) const {
    return program_.lanes[place.lane.index()].first + static_cast<std::size_t>(place.instruction);
  }
  StepId step_of(const StepPlace& place) const { return program_.instructions[index_of(place)].step; }

  void consider(LaneId lane, const Candidate& candidate, std::int64_t own_slices) {
    const auto& [place, named] = candidate;
    auto& awaited = program_.instructions[index_of(place)];
    const auto slices = program_.slices(awaited);
    const auto needed = std::min(own_slices, slices);
    if (clocks_.transitive() && clocks_.known(lane, place.lane).covers(place.instruction, needed)) return;
    auto& last = last_kept_[named.index()];
    for (auto k = last; k >= 0; k = kept_before_[static_cast<std::size_t>(k)]) {
      const auto& wait = kept_[static_cast<std::size_t>(k)];
      if (wait.instruction >= place.instruction && program_.slices(program_.at(place.lane, wait.instruction)) >= needed) return;
    }
    awaited.signals = true;
    kept_.push_back({named, place.instruction});
    kept_before_.push_back(std::exchange(last, static_cast<std::int32_t>(kept_.size()) - 1));
    if (clocks_.transitive()) clocks_.learn(lane, place.lane, place.instruction, index_of(place), needed);
  }

  Program& program_;
  const Dependencies& dependencies_;
  const StepPlaces& places_;
  Clocks clocks_;
  std::vector<StepId> before_;
  std::vector<Candidate> candidates_;
  std::vector<Wait> kept_;
  std::vector<std::int32_t> kept_before_;  // by kept wait: the one before it for the same lane, or -1
  std::vector<std::int32_t> last_kept_;    // by named lane
};

}  // namespace

void add_waits(Program& program, const Dependencies& dependencies, const StepPlaces& places, const std::vector<StepId>& order) {
  WaitBuilder builder(program, dependencies, places);
  for (const auto step : order) builder.visit(step);
}

}  // namespace p2plab
