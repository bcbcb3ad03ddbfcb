// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/slice_run.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::cuda {

namespace {

constexpr std::uint32_t most_slice_threads = 512;
constexpr std::uint32_t bulk_threads = 64;          // nothing is added: one of them works
constexpr std::uint32_t bulk_adding_threads = 288;  // a leader's warp, and 256 that add

device::KernelChoice kernel_of(const Program& program) { return {.type = program.payload.type, .op = program.payload.op, .reduces = program.adds()}; }

}  // namespace

SliceRun::SliceRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, DeviceSet& device_set)
    : SlicedRun(job, buffers, device_set), shape_(shape), choice_(kernel_of(program_)) {}

Status SliceRun::prepare() {
  choice_.steps = steps_ = steps_ && device::can_note_steps(choice_);
  if (auto done = choose_shape(); !done) return done;
  return link();
}

Status SliceRun::launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const {
  const auto& state = ranks_[rank.index()];
  auto call = state.call;
  call.journal = journal;
  auto choice = choice_;
  choice.steps = choice.steps && writes(journal);
  return check(device::launch_slices(choice, {.blocks = state.blocks, .threads = shape_.threads}, call, stream),
               fmt::format("launch the kernel of rank {}", rank.value));
}

std::string SliceRun::describe() const {
  const auto* how = choice_.shifts ? "simple, unaligned" : "simple";
  if (choice_.bulk) how = "simple, by bulk copies";
  return fmt::format("{}; {} blocks of {} threads", how, ranks_[device_set_.own()].blocks, shape_.threads);
}

// The most threads a block with which all blocks of a rank fit at once.
Status SliceRun::choose_shape() {
  const auto blocks = std::max(program_.blocks(), program_.tuning.blocks_per_lane);
  if (auto done = choose_bulk(blocks); !done) return done;
  if (blocks > counter_bytes / 4)
    return Error{.code = ErrorCode::unsupported, .message = fmt::format("{} blocks a rank are more than any GPU holds", blocks)};
  constexpr std::uint32_t least = 64;
  int fit = 0;
  const auto by_bulk = choice_.reduces ? bulk_adding_threads : bulk_threads;
  const auto most = choice_.bulk ? by_bulk : most_slice_threads;
  for (auto threads = shape_.threads > 0 ? shape_.threads : most; threads >= least; threads /= 2) {
    const auto resident = resident_everywhere([&] { return device::resident_slice_blocks(choice_, threads); });
    if (!resident) return resident.error();
    fit = *resident / share_;
    shape_.threads = threads;
    if (blocks <= fit) return {};
  }
  return Error{.code = ErrorCode::unsupported,
               .message = fmt::format("the program needs {} thread blocks at once on a rank; its GPU holds {}", blocks, fit),
               .notes = {"use fewer blocks per lane or channels, or fewer programs at once"}};
}

// Do all vectors lie whole in memory? Only those are copied in bulk.
bool SliceRun::is_aligned() const {
  constexpr std::uint64_t vector = 16;
  const auto whole = [](std::uint64_t address) { return address % vector == 0; };
  return std::ranges::all_of(program_.operands, [&](const Operand& operand) { return whole(static_cast<std::uint64_t>(operand.offset)); }) &&
         std::ranges::all_of(addresses_, [&](const RankAddresses& at) { return std::ranges::all_of(at.buffers, whole); });
}

// Bulk copies where they are asked for, or where they pay: nothing is added, slices are not short, and each block has a multiprocessor's shared
// memory.
Status SliceRun::choose_bulk(int blocks) {
  choice_.shifts = !is_aligned();
  constexpr int hopper = 90;
  constexpr std::int64_t least_slice = 64 << 10;
  const auto is_long = [&](const Instruction& i) { return program_.slice_bytes(i) >= least_slice || program_.slice_bytes(i) == i.bytes; };
  bool pays = !choice_.reduces && !choice_.shifts && std::ranges::all_of(program_.instructions, is_long);
  if (!shape_.bulk.value_or(pays)) return {};
  const auto generation = device_set_.least_capability();
  if (generation < hopper && shape_.bulk) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("slices by bulk copies need compute capability 9.0; a GPU has {}.{}", generation / 10, generation % 10)};
  }
  pays = pays && generation >= hopper && blocks * share_ <= device_set_.least_multiprocessors();
  choice_.bulk = shape_.bulk.value_or(pays);
  return {};
}

}  // namespace p2plab::cuda
