// SPDX-License-Identifier: Apache-2.0
// Runs element by element: images, launch shape, and the kernel made for the program, or the interpreter where none can be made.
#include <algorithm>

#include <fmt/format.h>

#include "cuda/run/run.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr std::uint32_t threads_per_processor = 1024;

// The largest blocks, so the fewest, that cost at most 2.5 % of the best time (kernels/README.md).
std::uint32_t threads_for(std::uint32_t packets) {
  constexpr std::uint32_t few = 16'384;
  if (packets <= few) return 128;
  return packets <= 2 * few ? 256 : threads_per_processor;
}

std::int64_t divided(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

Status GpuRun::prepare_packets(const RunPlans& plans) {
  constexpr std::int64_t most_bytes = std::int64_t{1} << 32;
  if (plans.packets.most_bytes >= most_bytes) {
    return Error{.code = ErrorCode::unsupported, .message = "chunks of 4 GiB and more do not run by packets", .notes = {"use protocol simple"}};
  }
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    auto& call = ranks_[r].packet_call;
    call.report = report_address(r);
    call.abort = abort_address();
    call.area = static_cast<std::uint64_t>(plans.area);
    call.timeout = timeout;
    call.packets = static_cast<std::uint32_t>(packets_of(plans.packets.most_bytes, plans.format));
  }
  if (shape_.threads == 0) shape_.threads = threads_for(ranks_[device_set_->own()].packet_call.packets);
  auto special = !shape_.interpret ? specialise(plans) : Status{Error{ErrorCode::unsupported, "it was not asked for"}};
  // Packets of all ranks have one form.
  if (device_set_->peer_memory() != nullptr) special = processes::all_well(device_set_->peer_memory()->session(), special);
  if (special) return {};
  interpreted_ = special.error().message;
  return interpret(plans);
}

// The interpreter does not support LL128.
Status GpuRun::interpret(RunPlans plans) {
  if (choice_.ll128) {
    choice_.ll128 = false;
    plans.format.data_bytes = 8;
    for (auto& state : ranks_) state.packet_call.packets = static_cast<std::uint32_t>(packets_of(plans.packets.most_bytes, plans.format));
  }
  for (std::size_t r = 0; r < ranks_.size() && use_ == BufferUse::staged; ++r) {
    if (!device_set_->has(r)) continue;
    if (auto done = use_device(device_set_->gpu(r).device); !done) return done;
    if (auto done = place_staging(r); !done) return done;
  }
  link(plans, image::packet_width);
  if (auto done = choose_packet_shape(); !done) return done;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    if (auto done = upload_packets(r); !done) return done;
  }
  return {};
}

void GpuRun::link(const RunPlans& plans, int width) {
  auto format = plans.format;
  format.width = width;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    auto& state = ranks_[r];
    state.packets = link_packets(plans.packets, Rank{static_cast<std::int64_t>(r)}, addresses_, format);
    auto& call = state.packet_call;
    call.waves = static_cast<std::uint32_t>(state.packets.waves.size());
    call.divisor = state.packets.divisor;
    call.whole_packets = state.packets.whole_packets;
    call.source_count = static_cast<std::uint32_t>(state.packets.sources.size());
    call.store_count = static_cast<std::uint32_t>(state.packets.stores.size());
  }
}

// One packet a thread where so many threads fit at once; otherwise the fewest packets a thread, as evenly as that goes.
Status GpuRun::specialise(const RunPlans& plans) {
  link(plans, image::most_packet_width);
  const auto processors = std::max(device_set_->least_multiprocessors() / share_, 1);
  const std::int64_t packets = ranks_[device_set_->own()].packet_call.packets;
  const auto threads_at_once = shape_.threads_per_processor > 0 ? shape_.threads_per_processor : threads_per_processor;
  const auto per_processor = std::max<std::int64_t>(1, threads_at_once / shape_.threads);
  const auto wanted = std::max<std::int64_t>(1, divided(packets, shape_.threads));
  auto most = std::min(processors * per_processor, counter_bytes / 4);
  if (shape_.blocks > 0) most = std::min<std::int64_t>(most, shape_.blocks);
  const auto batch = divided(wanted, most);
  const auto blocks = divided(wanted, batch);
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    if (auto done = specialise_rank(r, blocks, batch, processors); !done) return done;
  }
  return {};
}

Status GpuRun::specialise_rank(std::size_t rank, std::int64_t blocks, std::int64_t batch, std::int64_t processors) {
  auto& state = ranks_[rank];
  if (!can_specialise(state.packets)) return Error{ErrorCode::unsupported, "the program is too long for a specialised kernel"};
  const PacketCode code{.choice = choice_,
                        .threads = shape_.threads,
                        .blocks_per_processor = static_cast<std::uint32_t>(divided(blocks, processors)),
                        .odd = state.packets.whole_packets < state.packet_call.packets,
                        .once = batch == 1};
  if (auto done = use_device(device_set_->gpu(rank).device); !done) return done;
  const auto kernel = kernels_->get(state.packets, code, device_set_->gpu(rank).capability);
  if (!kernel) return kernel.error();
  const auto fit = device::resident_special_blocks(*kernel, shape_.threads);
  if (fit <= 0) return check(-fit, "ask how many blocks fit");
  if (fit / share_ < blocks) return Error{ErrorCode::unsupported, "the specialised kernel needs too many registers"};
  state.special = *kernel;
  state.parameters = packet_parameters(state.packets);
  const auto addresses = state.packets.sources.size() + state.packets.stores.size();  // before the sizes
  for (std::size_t i = 0; i < addresses && use_ == BufferUse::staged; ++i) {
    if (is_callers(state.parameters[i])) state.callers.push_back(i);
  }
  state.blocks = static_cast<std::uint32_t>(blocks);
  state.packet_call.batch = shape_.batch > 0 ? shape_.batch : static_cast<std::uint32_t>(batch);
  return {};
}

// Enough blocks that each thread has one packet, if so many fit at once.
Status GpuRun::choose_packet_shape() {
  constexpr std::uint32_t most_threads = 256;  // the interpreter needs many registers
  shape_.threads = std::min(shape_.threads, most_threads);
  const std::int64_t packets = ranks_[device_set_->own()].packet_call.packets;
  const auto everywhere = resident_everywhere([&] { return device::resident_packet_blocks(choice_, shape_.threads); });
  if (!everywhere) return everywhere.error();
  const auto resident = std::min<std::int64_t>(counter_bytes / 4, *everywhere / share_);
  const auto limit = shape_.blocks > 0 ? std::min<std::int64_t>(resident, shape_.blocks) : resident;
  const auto wanted = std::max<std::int64_t>(1, divided(packets, shape_.threads));
  for (auto& state : ranks_) {
    state.special = nullptr;
    state.blocks = static_cast<std::uint32_t>(std::min(wanted, std::max<std::int64_t>(limit, 1)));
    state.packet_call.batch = std::max(shape_.batch, 1U);
  }
  return {};
}

Status GpuRun::upload_packets(std::size_t rank) {
  auto& state = ranks_[rank];
  auto& tables = state.tables;
  const auto& linked = state.packets;
  constexpr std::size_t most = 65535;  // what a wave can count
  if (linked.sources.size() > most || linked.stores.size() > most) {
    return Error{.code = ErrorCode::unsupported, .message = "the program has too many steps to run by packets", .notes = {"use protocol simple"}};
  }
  if (auto done = use_device(device_set_->gpu(rank).device); !done) return done;
  const auto& stream = device_set_->stream(rank);
  const auto waves = round_up(bytes_of(linked.waves).count());
  const auto sources = round_up(bytes_of(linked.sources).count());
  auto memory = take(rank, Bytes{waves + sources} + bytes_of(linked.stores));
  if (!memory) return std::move(memory).error();
  state.images = *std::move(memory);
  const auto at = [&](std::int64_t offset) { return state.images.address() + static_cast<std::uint64_t>(offset); };
  if (auto done = copy_to_device(at(0), linked.waves.data(), bytes_of(linked.waves), stream); !done) return done;
  if (auto done = copy_to_device(at(waves), linked.sources.data(), bytes_of(linked.sources), stream); !done) return done;
  if (auto done = copy_to_device(at(waves + sources), linked.stores.data(), bytes_of(linked.stores), stream); !done) return done;
  tables.waves = reinterpret_cast<const image::PacketWave*>(at(0));
  tables.sources = reinterpret_cast<const image::PacketSource*>(at(waves));
  tables.stores = reinterpret_cast<const image::PacketStore*>(at(waves + sources));
  return {};
}

}  // namespace p2plab::cuda
