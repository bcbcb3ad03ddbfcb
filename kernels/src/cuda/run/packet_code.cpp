// SPDX-License-Identifier: Apache-2.0
// Code made for a packet program: launch shape, kernels, parameters.
#include <algorithm>
#include <bit>

#include "cuda/memory/buffers.h"
#include "cuda/run/packet_run.h"
#include "rows/epilogue_link.h"
#include "rows/row_layout.h"

namespace p2plab::cuda {

namespace {

std::int64_t divided(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr std::uint32_t least_row_threads = 128;
constexpr std::uint32_t most_row_threads = 1024;
constexpr std::uint32_t threads_of_multiprocessor = 2048;
constexpr int most_row_slots = 4;  // vectors that a thread holds: 16 registers, and as many each for what is added and multiplied

}  // namespace

Status PacketRun::specialise() {
  if (!can_specialise(*packets_)) return Error{ErrorCode::unsupported, "the program is too long for a specialised kernel"};
  link(args::most_packet_width, packet_stages(*packets_));
  if (!program_.epilogue) return specialise(packet_grid());
  const auto threads = shape_.threads;
  const auto grid = epilogue_grid(true);
  if (auto done = specialise(grid); done || grid.cluster == 1) return done;
  shape_.threads = threads;
  return specialise(epilogue_grid(false));
}

Status PacketRun::specialise(const Grid& grid) {
  return each_rank([&](std::size_t rank) { return specialise_rank(rank, grid); });
}

PacketRun::Grid PacketRun::epilogue_grid(bool shared) {
  // A block takes rows where each is a packet or two to a thread; where it would be more, the whole grid shares them.
  const auto packets = packets_of_row(program_);
  const bool by_row = packets > 0 && packets <= 2 * most_row_threads;
  if (!by_row) shape_.threads = std::clamp(std::bit_floor(shape_.threads), least_row_threads, most_row_threads);
  auto grid = by_row ? row_grid(packets, shared) : packet_grid();
  const auto threads = static_cast<std::uint32_t>(grid.cluster) * shape_.threads;
  const auto layout = row_layout(program_.epilogue->hidden, program_.payload.type, threads, most_row_slots);
  grid.rows = RowCode{.slots = layout.slots,
                      .whole = layout.whole,
                      .packets = by_row ? packets : 0,
                      .taken = by_row && layout.slots > 0 && ends_in_sums(program_),
                      .cluster = grid.cluster,
                      .what = *program_.epilogue};
  return grid;
}

// One packet a thread where so many threads fit at once; otherwise the fewest packets a thread, as evenly as that goes, in rounds
// (kernels/decisions/013).
PacketRun::Grid PacketRun::packet_grid() const {
  const auto processors = std::max(device_set_.least_multiprocessors() / share_, 1);
  const auto threads_at_once = shape_.threads_per_processor > 0 ? shape_.threads_per_processor : packet_threads_of_multiprocessor;
  const auto per_processor = std::max<std::int64_t>(1, threads_at_once / shape_.threads);
  const auto wanted = std::max<std::int64_t>(1, divided(packets_a_call(), shape_.threads));
  auto most = std::min(processors * per_processor, counter_bytes / 4);
  if (shape_.blocks > 0) most = std::min<std::int64_t>(most, shape_.blocks);
  const auto each = divided(wanted, most);
  const auto blocks = divided(wanted, each);
  return {.blocks = blocks, .once = each == 1, .per_processor = divided(blocks, processors)};
}

// Threads for a vector each, where a row has no more than a block may have threads; else half as many, or a quarter.
std::uint32_t PacketRun::row_threads(std::uint32_t packets) const {
  constexpr std::uint32_t warp = 32;
  const bool taken = packets_->wire == PacketWire::lamport && packets <= most_row_threads;
  const auto threads = taken ? static_cast<std::uint32_t>(divided(packets, warp)) * warp : std::bit_ceil(packets);
  return std::clamp(threads, least_row_threads, most_row_threads);
}

// A block a row, all at once if they fit; else a multiprocessor has fewer, which take row after row: what comes next is sent before a row is waited
// for (kernels/decisions/013).
PacketRun::Grid PacketRun::row_grid(std::uint32_t packets, bool shared) {
  const auto processors = std::max(device_set_.least_multiprocessors() / share_, 1);
  const auto rows = rows_of(*program_.epilogue, program_.payload);
  const auto most_blocks = shape_.blocks > 0 ? std::min<std::int64_t>(shape_.blocks, counter_bytes / 4) : counter_bytes / 4;
  // Few rows: several blocks share one, if all fit at once.
  const auto sharing = row_sharing(packets);
  const bool clusters = shared && sharing.blocks > 1 && device_set_.least_capability() >= clusters_from && ends_in_sums(program_);
  if (clusters && rows > 0 && rows * sharing.blocks <= std::min(most_blocks, processors * sharing_per_processor)) {
    shape_.threads = sharing.threads;
    const auto blocks = rows * sharing.blocks;
    return {.blocks = blocks, .per_processor = divided(blocks, processors), .cluster = sharing.blocks};
  }
  shape_.threads = row_threads(packets);
  const auto resident = processors * std::int64_t{threads_of_multiprocessor / shape_.threads};
  auto most = rows <= resident ? resident : processors * std::int64_t{packet_threads_of_multiprocessor / shape_.threads};
  if (shape_.blocks > 0) most = std::min<std::int64_t>(most, shape_.blocks);
  const auto blocks = std::clamp<std::int64_t>(rows, 1, std::min(most, counter_bytes / 4));
  return {.blocks = blocks, .per_processor = divided(blocks, processors)};
}

Status PacketRun::specialise_rank(std::size_t rank, const Grid& grid) {
  auto& state = ranks_[rank];
  const bool by_row = grid.rows && grid.rows->packets > 0;
  PacketCode code{.choice = choice_,
                  .threads = shape_.threads,
                  .blocks_per_processor = static_cast<std::uint32_t>(grid.per_processor),
                  .odd = state.linked.whole_packets < state.call.packets,
                  .once = by_row || grid.once,
                  .rows = grid.rows};
  std::vector<PacketCode> codes{code};
  if (recorded_) {
    code.recorded = true;
    code.steps = steps_;
    codes.push_back(code);
  }
  const auto kernels = kernels_.get(state.linked, codes, device_set_.gpu(rank).capability);
  if (!kernels) return kernels.error();
  for (const auto* const kernel : *kernels) {
    const auto fit = device::resident_special_blocks(kernel, shape_.threads, static_cast<std::uint32_t>(grid.cluster));
    if (fit < 0) return check(-fit, "ask how many blocks fit");
    if (fit / share_ < grid.blocks) return Error{ErrorCode::unsupported, "a specialised kernel needs too many registers"};
  }
  if (grid.rows && !by_row) {
    const Bytes size{static_cast<std::int64_t>(args::arrivals_stride) + grid.blocks * 4};
    auto arrivals = take(rank, size);
    if (!arrivals) return std::move(arrivals).error();
    state.arrivals = *std::move(arrivals);
    if (auto done = set_bytes(state.arrivals.address(), 0, size, device_set_.stream(rank)); !done) return done;
    if (auto done = synchronize(device_set_.stream(rank)); !done) return done;
  }
  state.special = kernels->front();
  state.noting = recorded_ ? kernels->back() : nullptr;
  state.parameters = packet_parameters(state.linked);
  state.call.batch = by_row ? 1 : std::max(shape_.batch, 1U);
  blocks_ = static_cast<std::uint32_t>(grid.blocks);
  return {};
}

}  // namespace p2plab::cuda
