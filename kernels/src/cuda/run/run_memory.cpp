// SPDX-License-Identifier: Apache-2.0
// Where a run's memory lies: regions of its device_set's arenas on every rank, and how the ranks learn of each other's.
#include <algorithm>
#include <cstring>

#include "cuda/memory/buffers.h"
#include "cuda/run/run.h"
#include "device/wire.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr std::int64_t token_bytes = 256;

device::Words<4> empty_packet(const device::KernelChoice& choice) {
  if (!choice.lamport) return device::FlaggedWire::empty();
  return size_of(choice.type) == 2 ? device::LamportWire<2>::empty() : device::LamportWire<4>::empty();
}

}  // namespace

Status GpuRun::place(std::span<const DeviceBuffers> buffers, const RunPlans& plans) {
  const auto count = static_cast<std::size_t>(program_->ranks());
  addresses_.resize(count);
  ranks_.resize(count);
  Status placed;
  for (std::size_t r = 0; r < count && placed; ++r) {
    if (!device_set_->has(r)) continue;
    if (use_ == BufferUse::registered) addresses_[r].buffers = {buffers[r].input, buffers[r].output};
    placed = place_rank(r, plans);
  }
  if (device_set_->peer_memory() == nullptr) return placed;
  if (auto well = processes::all_well(device_set_->peer_memory()->session(), placed); !well) return well;
  return exchange(buffers);
}

// GPU memory, landing slots, host memory. Packets of staged calls go straight to the caller's buffers, wherever they are.
Status GpuRun::place_rank(std::size_t rank, const RunPlans& plans) {
  if (auto done = use_device(device_set_->gpu(rank).device); !done) return done;
  if (auto done = place_device(rank, plans); !done) return done;
  if (auto done = place_host(rank, plans); !done) return done;
  if (use_ == BufferUse::registered) return {};
  if (!packets_) return place_staging(rank);
  addresses_[rank].buffers[0] = callers_input;
  addresses_[rank].buffers[1] = callers_output;
  return {};
}

Status GpuRun::place_device(std::size_t rank, const RunPlans& plans) {
  auto& state = ranks_[rank];
  auto& at = addresses_[rank];
  const auto& stream = device_set_->stream(rank);
  const auto scratch = round_up(program_->memory[rank].scratch.count());
  auto memory = take(rank, Bytes{scratch + token_bytes + round_up(plans.flags) + counter_bytes});
  if (!memory) return std::move(memory).error();
  state.memory = *std::move(memory);
  const auto base = state.memory.address();
  at.buffers[static_cast<std::size_t>(Buffer::scratch)] = base;
  at.token = base + static_cast<std::uint64_t>(scratch);
  at.flags = at.token + token_bytes;
  const auto counters = at.flags + static_cast<std::uint64_t>(round_up(plans.flags));
  if (auto done = set_bytes(at.token, 1, Bytes{token_bytes}, stream); !done) return done;
  if (auto done = set_bytes(at.flags, 0, Bytes{round_up(plans.flags) + counter_bytes}, stream); !done) return done;
  if (packets_) {
    const std::uint32_t first[] = {shape_.first_call, shape_.first_call, shape_.first_call, shape_.first_call};
    if (auto done = check(device::launch_fill(counters, counter_bytes / 16, first, stream.get()), "set the calls' number"); !done) return done;
  }
  state.packet_call.epochs = counters;
  state.slice_call.calls = reinterpret_cast<std::uint32_t*>(counters);
  auto landing = take(rank, Bytes{plans.area * image::landing_copies});
  if (!landing) return std::move(landing).error();
  state.landing = *std::move(landing);
  at.landing = state.landing.address();
  const auto units = static_cast<std::uint64_t>(plans.area * image::landing_copies / 16);
  if (auto done = check(device::launch_fill(at.landing, units, empty_packet(choice_).w, stream.get()), "clear the landing area"); !done) return done;
  return synchronize(stream);
}

// What other ranks and the host wait for begins as nothing; rank 0 has room for everybody's reports and the abort word.
Status GpuRun::place_host(std::size_t rank, const RunPlans& plans) {
  auto& at = addresses_[rank];
  const auto buffer = round_up(program_->memory[rank].host.count());
  const auto flags = round_up(plans.flags);
  const auto landing = plans.host_area * image::landing_copies;
  const auto reports = rank == 0 ? round_up(static_cast<std::int64_t>(report_bytes * (ranks_.size() + 1))) : 0;
  auto region = device_set_->host_memory(rank).take(Bytes{buffer + flags + reports + landing});
  if (!region) return std::move(region).error();
  ranks_[rank].host = *std::move(region);
  const auto base = ranks_[rank].host.address();
  at.buffers[static_cast<std::size_t>(Buffer::host)] = base;
  at.host_flags = base + static_cast<std::uint64_t>(buffer);
  at.reports = at.host_flags + static_cast<std::uint64_t>(flags);
  at.host_landing = at.reports + static_cast<std::uint64_t>(reports);
  std::memset(reinterpret_cast<void*>(at.host_flags), 0, static_cast<std::size_t>(flags + reports));
  std::fill_n(reinterpret_cast<device::Words<4>*>(at.host_landing), landing / 16, empty_packet(choice_));
  return {};
}

// Room for a copy of the caller's input and output; for both in one, in place.
Status GpuRun::place_staging(std::size_t index) {
  const Rank rank{static_cast<std::int64_t>(index)};
  const auto in = layout_.input_size(rank);
  const auto out = layout_.output_size(rank);
  const Bytes before{round_up(in.count())};
  auto region = take(index, program_->in_place ? std::max(in, out) : before + out);
  if (!region) return std::move(region).error();
  auto& state = ranks_[index];
  state.staging = *std::move(region);
  const auto base = state.staging.address();
  auto& buffers = addresses_[index].buffers;
  const auto apart = DeviceBuffers{base, base + static_cast<std::uint64_t>(before.count())};
  const auto placed = program_->in_place ? in_one_memory(base, layout_.output_within_input(rank)) : apart;
  buffers[0] = placed.input;
  buffers[1] = placed.output;
  return {};
}

// Gives this rank's memory to the other processes and gets theirs.
Status GpuRun::exchange(std::span<const DeviceBuffers> buffers) {
  auto& peer_memory = *device_set_->peer_memory();
  const auto own = device_set_->own();
  PeerMemory::MemoryOffer offer{
      .addresses = addresses_[own], .memory = device_set_->memory(own).extents(), .host_memory = device_set_->host_memory(own).extents()};
  // Packets touch them on their own GPU only.
  if (use_ == BufferUse::registered && !packets_) {
    if (layout_.input_size(peer_memory.rank()) > Bytes{0}) offer.registered.push_back(buffers[own].input);
    if (layout_.output_size(peer_memory.rank()) > Bytes{0}) offer.registered.push_back(buffers[own].output);
  }
  auto received = peer_memory.exchange(offer);
  if (!received) return std::move(received).error();
  addresses_ = std::move(received->addresses);
  opened_ = std::move(received->registered);
  peer_memory.watch(abort_address());
  return {};
}

}  // namespace p2plab::cuda
