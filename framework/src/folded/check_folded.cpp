// SPDX-License-Identifier: Apache-2.0
// A folded program is proved by its base: the instructions of image 0, on all ranks, are a program of their own that owes the base's chunks. Lanes
// hold instructions of other images between these, which adds order and takes none away; and images touch no byte together, since their chunks and
// slots lie apart. So what holds for the base holds for every image in which each instruction is the base's, moved; and that is compared one by one.
// No instruction waits for itself: lanes and waits go back in the order of the schedule's steps. Payloads that images do not divide evenly: see
// image_checker.h.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "check/describe.h"
#include "folded/image_checker.h"
#include "lowering/lowering.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

// Where each step of the base went.
struct Found {
  std::uint32_t lane = 0;
  std::int64_t instruction = -1;  // of the whole program
};

class Likeness {
 public:
  Likeness(const Schedule& schedule, const Lowering& lowering, const Program& folded, const Program& base)
      : schedule_(schedule),
        lowering_(lowering),
        images_(*folded.images),
        folded_(folded),
        base_(base),
        in_folded_(find(folded)),
        in_base_(find(base)) {}

  Status run() const {
    if (!std::ranges::equal(folded_.memory, base_.memory, {}, sizes_of, sizes_of)) return fail("states other memory than its schedule needs");
    if (folded_.route_offsets != base_.route_offsets || folded_.route_links != base_.route_links) return fail("has other routes than its schedule");
    if (folded_.instructions.size() != base_.instructions.size()) return fail("has other instructions than its base");
    for (std::size_t b = 0; b < in_base_.size(); ++b) {
      const auto& mine = in_folded_[b];
      const auto& its = in_base_[b];
      if ((mine.instruction < 0) != (its.instruction < 0)) return fail(fmt::format("lacks step {} of its base", b));
      if (mine.instruction < 0) continue;
      if (!same(StepId{static_cast<std::int64_t>(b)}, at(folded_, mine), at(base_, its)))
        return fail(fmt::format("does not do what step {} of its base does", b));
    }
    return lanes_go_forward();
  }

 private:
  std::vector<Found> find(const Program& program) const {
    std::vector<Found> all(schedule_.base_step_count());
    for (std::uint32_t l = 0; l < program.lanes.size(); ++l) {
      const auto& lane = program.lanes[l];
      for (auto i = lane.first; i < lane.first + lane.count; ++i) all[base_step(program.instructions[i])] = {l, i};
    }
    return all;
  }

  static std::array<Bytes, 4> sizes_of(const RankMemory& memory) { return {memory.input, memory.output, memory.scratch, memory.host}; }
  std::size_t base_step(const Instruction& instruction) const { return schedule_.folding().origin(instruction.step).step.index(); }
  static const Instruction& at(const Program& program, const Found& found) {
    return program.instructions[static_cast<std::size_t>(found.instruction)];
  }

  bool same(StepId step, const Instruction& mine, const Instruction& its) const {
    const auto image = images_.back(schedule_.base_step(step).executor);
    if (mine.step != schedule_.folding().id_of(image, step) ||
        folded_.lanes[in_folded_[step.index()].lane].rank != images_.moved(image, base_.lanes[in_base_[step.index()].lane].rank))
      return false;
    if (mine.bytes != its.bytes || mine.sources != its.sources || mine.destinations != its.destinations || mine.divides != its.divides ||
        mine.divisor != its.divisor || mine.wait_count != its.wait_count || (its.signals && !mine.signals))
      return false;
    StepReader read(schedule_);
    const auto moved = read(mine.step);
    for (std::uint32_t o = 0; o < std::uint32_t{mine.sources} + mine.destinations; ++o) {
      const auto& here = folded_.operands[mine.operands + o];
      const auto& there = base_.operands[its.operands + o];
      if (here.rank != images_.moved(image, there.rank) || here.route != images_.moved(image, there.route) || here.buffer != there.buffer)
        return false;
      // The image's own chunk or slot.
      const auto& location = o < mine.sources ? moved.sources[o] : moved.destinations[o - mine.sources];
      if (here.offset != lowering_.operand(location, moved, o).offset) return false;
    }
    return std::ranges::all_of(base_.waits_of(its), [&](const Wait& wanted) {
      return std::ranges::any_of(folded_.waits_of(mine), [&](const Wait& wait) { return is_image_of(wait, wanted, image); });
    });
  }

  // The same step, of the same image as the one that waits.
  bool is_image_of(const Wait& wait, const Wait& wanted, int image) const {
    const auto lanes = folded_.lanes.size();
    const LaneId lane{static_cast<std::int64_t>(wait.lane.index() % lanes)};
    const auto rank = images_.moved(static_cast<int>(wait.lane.index() / lanes), folded_.lanes[lane.index()].rank);
    return rank == images_.moved(image, base_.lanes[wanted.lane.index()].rank) &&
           base_step(folded_.at(lane, wait.instruction)) == base_step(base_.at(wanted.lane, wanted.instruction));
  }

  // Each after those that stand before it in its lane, and those that it waits for.
  Status lanes_go_forward() const {
    for (const auto& lane : folded_.lanes) {
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        const auto& instruction = folded_.instructions[i];
        const auto step = base_step(instruction);
        if (i > lane.first && base_step(folded_.instructions[i - 1]) >= step) return fail(fmt::format("goes back to step {} within a lane", step));
        for (const auto& wait : folded_.waits_of(instruction)) {
          const LaneId other{static_cast<std::int64_t>(wait.lane.index() % folded_.lanes.size())};
          if (base_step(folded_.at(other, wait.instruction)) >= step) return fail(fmt::format("waits in step {} for a later one", step));
        }
      }
    }
    // What is in one lane of the base is in one lane here.
    for (const auto& lane : base_.lanes) {
      for (auto i = lane.first + 1; i < lane.first + lane.count; ++i) {
        if (in_folded_[base_step(base_.instructions[i])].lane != in_folded_[base_step(base_.instructions[lane.first])].lane)
          return fail(fmt::format("has step {} in another lane than its base", base_step(base_.instructions[i])));
      }
    }
    return {};
  }

  static Error fail(const std::string& what) { return {ErrorCode::verification_failed, "the folded program " + what}; }

  const Schedule& schedule_;
  const Lowering& lowering_;
  const RankImages& images_;
  const Program& folded_;
  const Program& base_;
  std::vector<Found> in_folded_;
  std::vector<Found> in_base_;
};

}  // namespace

Result<ProgramProof> check_folded(const Topology& topology, const Schedule& schedule, const Proof& proof, const Program& program) {
  const auto& images = proof.images();
  const auto payload = images != nullptr ? folded_payload(schedule, proof, program.payload) : std::nullopt;
  if (!program.folded || program.images != images || !payload)
    return Error{ErrorCode::verification_failed, "the folded program has other images than its schedule"};
  if (auto ok = check_consistency(program, {.ranks = topology.ranks(), .links = topology.links().size(), .copies = images->images()}); !ok)
    return std::move(ok).error();
  Lowering lowering(schedule, proof, payload->even.above, program.tuning, program.in_place, images);
  const auto base = lowering.run(Lowered::image);
  if (auto ok = Likeness{schedule, lowering, program, base}.run(); !ok) return std::move(ok).error();
  const PeerAccess peer_access(topology);
  const checking::ImageChecker checker(topology, peer_access, schedule, proof, *payload);
  auto proved = checker.check_base(base);
  if (!proved) return proved;
  if (program.packets) {
    if (auto packets = checker.check_packets(program, base, BasePlaces(schedule, lowering, base)); !packets) return packets;
  }
  if (auto ok = checker.check_others(program); !ok) return std::move(ok).error();
  return proved;
}

}  // namespace p2plab
