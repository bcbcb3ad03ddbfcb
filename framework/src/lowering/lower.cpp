// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/lower.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "lowering/lowering.h"
#include "p2plab/program/alike.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/program/packet_choice.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

// Has each rank its representative's lanes, each with images of the same steps?
bool same_lanes(const Program& program, const RankImages& images) {
  const auto of_rank = [&](Rank rank) {
    return std::span(std::ranges::lower_bound(program.lanes, rank, {}, &Lane::rank), std::ranges::upper_bound(program.lanes, rank, {}, &Lane::rank));
  };
  const auto base_step = [&](const Instruction& instruction) { return instruction.step.value / images.images(); };
  const auto same = [&](const Lane& a, const Lane& b) {
    const auto of_lane = [&](const Lane& lane) { return std::span(program.instructions).subspan(lane.first, lane.count); };
    return std::ranges::equal(of_lane(a), of_lane(b), {}, base_step, base_step);
  };
  for (int r = 0; r < program.ranks(); ++r) {
    if (!std::ranges::equal(of_rank(Rank{r}), of_rank(images.representative(Rank{r})), same)) return false;
  }
  return true;
}

// Do ranks do the same, though some with a few bytes more, since images do not divide the payload evenly?
bool nearly_alike(const Schedule& schedule, const Proof& proof, const Program& program) {
  return proof.images() != nullptr && even_payloads(schedule, program.payload) && same_channels(schedule) && same_lanes(program, *proof.images());
}

}  // namespace

Status check_ranges(const Payload& payload, const Tuning& tuning) {
  const auto bad = [](std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; };
  if (payload.elements < 0 || payload.elements > Payload::most_bytes / size_of(payload.type)) {
    return bad(fmt::format("a payload of {} elements is not between 0 and 2^50 bytes", payload.elements));
  }
  if (tuning.blocks_per_lane < 1 || tuning.blocks_per_lane > Tuning::most_blocks_per_lane)
    return bad(fmt::format("blocks per lane must be from 1 to {}, got {}", Tuning::most_blocks_per_lane, tuning.blocks_per_lane));
  if (tuning.slice.count() < 0 || tuning.slice.count() > Payload::most_bytes)
    return bad(fmt::format("a slice of {} bytes is out of range", tuning.slice.count()));
  if (tuning.slices < 0 || tuning.slices > Tuning::most_slices) {
    return bad(fmt::format("slices must be from 0 (by their bytes) to {}, got {}", Tuning::most_slices, tuning.slices));
  }
  if (tuning.slices > 0 && tuning.slice.count() > 0) return bad("slices are given by their bytes or by their number, not both");
  return {};
}

std::shared_ptr<const RankImages> images_of(const Schedule& schedule, const Proof& proof, const Payload& payload, std::size_t alike_from) {
  const bool large = proof.images() != nullptr && steps_as_copies(schedule) >= alike_from;
  return large && Lowering::are_alike(schedule, payload) ? proof.images() : nullptr;
}

std::size_t steps_as_copies(const Schedule& schedule) {
  std::size_t operands = 0;
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    operands += step.sources.size() + step.destinations.size();
  }
  return operands / 2 * static_cast<std::size_t>(schedule.folding().images());
}

Result<Program> lower(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, const PeerAccess& peer_access,
                      CallerMemory memory, std::size_t alike_from) {
  expects(memory == CallerMemory::as_proved || proof.in_place());
  if (auto ok = check_ranges(payload, tuning); !ok) return std::move(ok).error();
  const bool one_memory = proof.in_place() && memory == CallerMemory::as_proved;
  auto program = Lowering{schedule, proof, payload, tuning, one_memory, images_of(schedule, proof, payload, alike_from)}.run(Lowered::all);
  program.packets = choose_packets(program, peer_access);
  const bool told = program.images != nullptr || program.packets != nullptr || steps_as_copies(schedule) < alike_from;
  if (!told && nearly_alike(schedule, proof, program)) program.images = proof.images();
  return program;
}

}  // namespace p2plab
