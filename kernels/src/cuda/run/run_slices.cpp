// SPDX-License-Identifier: Apache-2.0
// Runs slice by slice: images, launch shape.
#include <algorithm>

#include <fmt/format.h>

#include "cuda/run/run.h"

namespace p2plab::cuda {

namespace {

constexpr std::uint32_t most_slice_threads = 512;
constexpr std::uint32_t bulk_threads = 64;          // nothing is added: one of them works
constexpr std::uint32_t bulk_adding_threads = 288;  // a leader's warp, and 256 that add

}  // namespace

Status GpuRun::prepare_slices() {
  if (auto done = choose_slice_shape(); !done) return done;
  return link_slice_images();
}

Status GpuRun::link_slice_images() {
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    auto& state = ranks_[r];
    state.slices = link_slices(*program_, peer_access_, Rank{static_cast<std::int64_t>(r)}, addresses_);
    auto* const calls = state.slice_call.calls;
    state.slice_call = state.slices.call;
    state.slice_call.calls = calls;
    state.slice_call.report = report_address(r);
    state.slice_call.abort = abort_address();
    state.slice_call.timeout = timeout;
    state.blocks = std::max(state.slice_call.lane_count, 1U) * state.slice_call.parts;
    if (auto done = upload_slices(r); !done) return done;
  }
  return {};
}

// The most threads a block with which all blocks of a rank fit at once.
Status GpuRun::choose_slice_shape() {
  const auto blocks = std::max(program_->blocks(), program_->tuning.parts);
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
               .notes = {"use fewer parts or channels, or fewer programs at once"}};
}

// Do all vectors lie whole in memory? Only those are copied in bulk.
bool GpuRun::is_aligned() const {
  constexpr std::uint64_t vector = 16;
  const auto whole = [](std::uint64_t address) { return address % vector == 0; };
  return std::ranges::all_of(program_->operands, [&](const Operand& operand) { return whole(static_cast<std::uint64_t>(operand.offset)); }) &&
         std::ranges::all_of(addresses_, [&](const RankAddresses& at) { return std::ranges::all_of(at.buffers, whole); });
}

// Bulk copies where they are asked for, or where they pay: nothing is added, slices are not short, and each block has a multiprocessor's shared
// memory.
Status GpuRun::choose_bulk(int blocks) {
  choice_.shifts = !is_aligned();
  constexpr int hopper = 90;
  constexpr std::int64_t least_slice = 64 << 10;
  const auto is_long = [&](const Instruction& i) { return program_->slice_bytes(i) >= least_slice || program_->slice_bytes(i) == i.bytes; };
  bool pays = !choice_.reduces && !choice_.shifts && std::ranges::all_of(program_->instructions, is_long);
  if (!shape_.bulk.value_or(pays)) return {};
  const auto generation = device_set_->least_capability();
  if (generation < hopper && shape_.bulk) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("slices by bulk copies need compute capability 9.0; a GPU has {}.{}", generation / 10, generation % 10)};
  }
  pays = pays && generation >= hopper && blocks * share_ <= device_set_->least_multiprocessors();
  choice_.bulk = shape_.bulk.value_or(pays);
  return {};
}

Status GpuRun::upload_slices(std::size_t rank) {
  auto& state = ranks_[rank];
  const auto& linked = state.slices;
  const auto lanes = round_up(bytes_of(linked.lanes).count());
  const auto instructions = round_up(bytes_of(linked.instructions).count());
  const auto waits = round_up(bytes_of(linked.waits).count());
  if (auto done = use_device(device_set_->gpu(rank).device); !done) return done;
  auto memory = take(rank, Bytes{lanes + instructions + waits} + bytes_of(linked.addresses));
  if (!memory) return std::move(memory).error();
  state.images = *std::move(memory);
  const auto base = state.images.address();
  const auto at = [&](std::int64_t offset) { return base + static_cast<std::uint64_t>(offset); };
  auto& call = state.slice_call;
  call.lanes = reinterpret_cast<const image::SliceLane*>(at(0));
  call.instructions = reinterpret_cast<const image::SliceInstruction*>(at(lanes));
  call.waits = reinterpret_cast<const image::SliceWait*>(at(lanes + instructions));
  call.addresses = reinterpret_cast<const std::uint64_t*>(at(lanes + instructions + waits));
  const auto& stream = device_set_->stream(rank);
  if (auto done = copy_to_device(at(0), linked.lanes.data(), bytes_of(linked.lanes), stream); !done) return done;
  if (auto done = copy_to_device(at(lanes), linked.instructions.data(), bytes_of(linked.instructions), stream); !done) return done;
  if (auto done = copy_to_device(at(lanes + instructions), linked.waits.data(), bytes_of(linked.waits), stream); !done) return done;
  return copy_to_device(at(lanes + instructions + waits), linked.addresses.data(), bytes_of(linked.addresses), stream);
}

}  // namespace p2plab::cuda
