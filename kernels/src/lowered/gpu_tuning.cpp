// SPDX-License-Identifier: Apache-2.0
#include "p2plab/run/gpu_tuning.h"

#include <algorithm>
#include <bit>
#include <set>

#include "lowered/specialise.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr Bytes interpreted_up_to = 2_MiB;
constexpr Bytes staged_up_to = 512_MiB;                    // above, landing areas take too much memory
constexpr Bytes packet_part{packet_group * packet_bytes};  // one round of a group of threads with a packet each
constexpr Bytes least_slice = 16_KiB;
constexpr Bytes most_slice = 128_KiB;
constexpr std::int64_t slices_to_fill = 64;
constexpr Bytes few_blocks_from = 32_MiB;
constexpr int gathering_ranks = 4;   // with fewer, bulk copies are 2 to 5 % slower than what many blocks reach
constexpr int blocks_at_once = 128;  // of 512 threads: one for each multiprocessor of an H100 or H200
constexpr int copies_at_once = 256;  // of 256 threads, where nothing is added

// Lanes of the busiest rank, as lowering makes them: one for each channel and set of remote ranks.
int most_lanes(const Schedule& schedule) {
  std::vector<std::set<std::vector<std::int32_t>>> lanes(static_cast<std::size_t>(schedule.ranks()));
  StepReader steps(schedule);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = steps(StepId{static_cast<std::int64_t>(i)});
    std::set<std::int32_t> remote;
    for (const auto locations : {step.sources, step.destinations}) {
      for (const auto& location : locations) {
        if (location.rank != step.executor) remote.insert(location.rank.value);
      }
    }
    lanes[step.executor.index()].insert({remote.begin(), remote.end()});
  }
  std::size_t most = 1;
  for (const auto& mine : lanes) most = std::max(most, mine.size());
  return static_cast<int>(most);
}

// Is the packet program so short that code is made for it? Long ones are interpreted, which only small packets are worth.
bool is_short(const Schedule& schedule, const Proof& proof, const Payload& payload) {
  constexpr std::size_t most_steps = 160;                 // of a rank: more than any made code has sources and stores
  constexpr std::int64_t enough = std::int64_t{1} << 24;  // elements, so that no chunk is empty
  if (schedule.step_count() > most_steps * static_cast<std::size_t>(schedule.ranks())) return false;
  const auto program = lower(schedule, proof, {.elements = enough, .type = payload.type, .op = payload.op}, {.protocol = Protocol::ll});
  return program && can_specialise(*program->packets);
}

// Can data be its own flag? Not where every bit counts: see kernels/README.md.
bool takes_lamport(CollectiveKind kind, const Payload& payload) { return reduces(kind) && can_be_lamport(payload); }

// Packets flow through all steps, each block of threads with its own: blocks per lane say how many there are, so that a prediction of the program
// is one of that flow. The kernels take packets as they come.
Tuning packets(Protocol protocol, Bytes largest, int lanes) {
  const auto most = std::max(1, blocks_at_once / lanes);
  const auto blocks = static_cast<int>(std::clamp<std::int64_t>(largest / packet_part, 1, most));
  return {.blocks_per_lane = blocks, .slice = blocks > 1 ? Bytes{(largest.count() + blocks - 1) / blocks} : 0_B, .protocol = protocol};
}

// Does every step write to one other rank at most, as a ring's do?
bool has_one_destination(const Schedule& schedule) {
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    if (std::ranges::count_if(step.destinations, [&](const Location& at) { return at.rank != step.executor; }) > 1) return false;
  }
  return true;
}

// Bytes of the largest chunk up to which Lamport is the fastest, on four and on two H200s: above, the landing areas cost more than
// signals.
Bytes lamport_limit(const Schedule& schedule) {
  const auto kind = schedule.collective().kind;
  const bool pair = schedule.ranks() == 2;
  if (kind == CollectiveKind::reduce) return 64_MiB;  // everything lands once
  if (kind == CollectiveKind::reduce_scatter) return pair ? 256_MiB : 64_MiB;
  if (pair && kind == CollectiveKind::all_reduce) return 128_MiB;
  // The slices of a ring of more than two, each for one rank, overtake packets sooner.
  return !pair && has_one_destination(schedule) ? 12_MiB : 16_MiB;
}

// Does every block begin at a multiple of 16 bytes? All do where all are as long.
bool is_aligned(const Schedule& schedule, const Payload& payload) {
  constexpr std::int64_t vector = 16;
  const auto elements = block_elements(schedule.collective(), schedule.blocks(), payload);
  return elements.size() == 1 || std::ranges::all_of(elements, [&](std::int64_t count) { return count * size_of(payload.type) % vector == 0; });
}

// The same of what is only moved: LL packets, then LL128.
struct MovingLimits {
  Bytes flags = 64_KiB;
  Bytes ll128 = 8_MiB;
};
MovingLimits moving_limits(const Schedule& schedule, const Payload& payload) {
  const auto kind = schedule.collective().kind;
  if (kind == CollectiveKind::broadcast) return {.ll128 = schedule.ranks() > 2 ? 64_MiB : 16_MiB};  // slices are slow to fill a chain of ranks
  if (is_aligned(schedule, payload)) return {};
  return {.flags = 512_KiB, .ll128 = kind == CollectiveKind::all_gather ? 6_MiB : 3_MiB};
}

// Moved only, all ranks alike: by bulk copies a few blocks of two warps fill the links.
Tuning gathered(Bytes largest, int lanes) {
  const bool few = largest >= few_blocks_from;
  return {.blocks_per_lane = std::max(1, (few ? blocks_at_once / 2 : blocks_at_once) / lanes),
          .slice = few ? 2 * most_slice : most_slice,
          .protocol = Protocol::simple};
}

Tuning tuning(const Schedule& schedule, const Proof& proof, const Payload& payload, bool staged) {
  Bytes largest{0};
  for (const auto& extent : cut(schedule, payload)) largest = std::max(largest, Bytes{extent.count * size_of(payload.type)});
  std::set<std::int32_t> channels;
  for (const auto& chunk : schedule.chunks()) channels.insert(chunk.channel);
  const auto lanes = most_lanes(schedule) * static_cast<int>(std::max<std::size_t>(channels.size(), 1));
  const auto kind = schedule.collective().kind;
  // A program is lowered to see how long it is: only where that decides.
  if (takes_lamport(kind, payload)) {
    const auto limit = staged ? staged_up_to : lamport_limit(schedule);
    if (largest <= interpreted_up_to || (largest <= limit && is_short(schedule, proof, payload))) return packets(Protocol::lamport, largest, lanes);
  } else {
    auto limits = moving_limits(schedule, payload);
    if (staged) limits.ll128 = staged_up_to;
    if (largest <= limits.flags) return packets(Protocol::ll, largest, lanes);
    if (largest <= limits.ll128 && is_short(schedule, proof, payload)) return packets(Protocol::ll128, largest, lanes);
  }
  if (kind == CollectiveKind::all_gather && schedule.ranks() >= gathering_ranks && has_one_destination(schedule)) return gathered(largest, lanes);
  const auto blocks = std::max(1, (reduces(kind) ? blocks_at_once : copies_at_once) / lanes);
  // All blocks need a slice of every chunk; of few chunks, which hop from rank to rank, many slices, so that all hops are soon at work.
  const auto share = static_cast<int>(schedule.chunks().size()) < schedule.ranks() ? largest / blocks / slices_to_fill : largest / blocks;
  const auto even = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(share.count())));
  const auto slice = std::clamp(Bytes{even}, least_slice, most_slice);
  return {.blocks_per_lane = blocks, .slice = slice, .protocol = Protocol::simple};
}

}  // namespace

Tuning gpu_tuning(const Schedule& schedule, const Proof& proof, const Payload& payload) { return tuning(schedule, proof, payload, false); }
Tuning staged_gpu_tuning(const Schedule& schedule, const Proof& proof, const Payload& payload) { return tuning(schedule, proof, payload, true); }

}  // namespace p2plab
