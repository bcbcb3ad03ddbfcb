// SPDX-License-Identifier: Apache-2.0
// Where a run's memory lies: regions of its device_set's arenas on every rank, and how the ranks learn of each other's.
#include <algorithm>
#include <cstring>

#include "cuda/memory/buffers.h"
#include "cuda/run/run.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr std::int64_t token_bytes = 256;

}  // namespace

Status GpuRun::place(std::span<const DeviceBuffers> buffers) {
  auto placed = each_rank([&](std::size_t rank) {
    if (use_ == BufferUse::registered) addresses_[rank].buffers = {buffers[rank].input, buffers[rank].output};
    return place_rank(rank);
  });
  if (device_set_.peer_memory() == nullptr) return placed;
  if (auto well = processes::all_well(device_set_.peer_memory()->session(), placed); !well) return well;
  return exchange(buffers);
}

Status GpuRun::place_rank(std::size_t rank) {
  if (auto done = place_device(rank); !done) return done;
  if (auto done = place_host(rank); !done) return done;
  return place_own(rank);
}

Status GpuRun::place_device(std::size_t rank) {
  auto& at = addresses_[rank];
  const auto& stream = device_set_.stream(rank);
  const auto scratch = round_up(program_.memory[rank].scratch.count());
  const auto flags = round_up(needs().flags);
  auto memory = take(rank, Bytes{scratch + token_bytes + flags + counter_bytes});
  if (!memory) return std::move(memory).error();
  memory_[rank].device = *std::move(memory);
  const auto base = memory_[rank].device.address();
  at.buffers[static_cast<std::size_t>(Buffer::scratch)] = base;
  at.token = base + static_cast<std::uint64_t>(scratch);
  at.flags = at.token + token_bytes;
  memory_[rank].counters = at.flags + static_cast<std::uint64_t>(flags);
  if (auto done = set_bytes(at.token, 1, Bytes{token_bytes}, stream); !done) return done;
  if (auto done = set_bytes(at.flags, 0, Bytes{flags + counter_bytes}, stream); !done) return done;
  return synchronize(stream);
}

// What other ranks and the host wait for begins as nothing; rank 0 has room for everybody's reports and the abort word.
Status GpuRun::place_host(std::size_t rank) {
  auto& at = addresses_[rank];
  const auto buffer = round_up(program_.memory[rank].host.count());
  const auto flags = round_up(needs().flags);
  const auto reports = rank == 0 ? round_up(static_cast<std::int64_t>(report_bytes * (addresses_.size() + 1))) : 0;
  auto region = device_set_.host_memory(rank).take(Bytes{buffer + flags + reports + needs().host_landing});
  if (!region) return std::move(region).error();
  memory_[rank].host = *std::move(region);
  const auto base = memory_[rank].host.address();
  at.buffers[static_cast<std::size_t>(Buffer::host)] = base;
  at.host_flags = base + static_cast<std::uint64_t>(buffer);
  at.reports = at.host_flags + static_cast<std::uint64_t>(flags);
  at.host_landing = at.reports + static_cast<std::uint64_t>(reports);
  std::memset(reinterpret_cast<void*>(at.host_flags), 0, static_cast<std::size_t>(flags + reports));
  return {};
}

Status GpuRun::place_staging(std::size_t index) {
  const Rank rank{static_cast<std::int64_t>(index)};
  const auto in = layout_.input_size(rank);
  const auto out = layout_.output_size(rank);
  const Bytes before{round_up(in.count())};
  auto region = take(index, program_.in_place ? std::max(in, out) : before + out);
  if (!region) return std::move(region).error();
  memory_[index].staging = *std::move(region);
  const auto base = memory_[index].staging.address();
  const auto apart = DeviceBuffers{base, base + static_cast<std::uint64_t>(before.count())};
  const auto placed = program_.in_place ? in_one_memory(base, layout_.output_within_input(rank)) : apart;
  addresses_[index].buffers[0] = placed.input;
  addresses_[index].buffers[1] = placed.output;
  addresses_[index].of_caller = false;
  return {};
}

Result<GpuRun::Uploaded> GpuRun::upload(std::size_t rank, std::span<const Table> tables) {
  std::int64_t size = 0;
  std::vector<std::int64_t> offsets;
  for (const auto& one : tables) {
    offsets.push_back(size);
    size += round_up(one.bytes.count());
  }
  auto memory = take(rank, Bytes{size});
  if (!memory) return std::move(memory).error();
  Uploaded uploaded{*std::move(memory), {}};
  for (std::size_t t = 0; t < tables.size(); ++t) {
    uploaded.addresses.push_back(uploaded.memory.address() + static_cast<std::uint64_t>(offsets[t]));
    if (auto done = copy_to_device(uploaded.addresses.back(), tables[t].data, tables[t].bytes, device_set_.stream(rank)); !done) {
      return std::move(done).error();
    }
  }
  return uploaded;
}

// Gives this rank's memory to the other processes and gets theirs.
Status GpuRun::exchange(std::span<const DeviceBuffers> buffers) {
  auto& peer_memory = *device_set_.peer_memory();
  const auto own = device_set_.own();
  PeerMemory::MemoryOffer offer{
      .addresses = addresses_[own], .memory = device_set_.memory(own).extents(), .host_memory = device_set_.host_memory(own).extents()};
  if (use_ == BufferUse::registered && shares_buffers()) {
    if (program_.memory[own].input > Bytes{0}) offer.registered.push_back(buffers[own].input);
    if (program_.memory[own].output > Bytes{0}) offer.registered.push_back(buffers[own].output);
  }
  auto received = peer_memory.exchange(offer);
  if (!received) return std::move(received).error();
  addresses_ = std::move(received->addresses);
  opened_ = std::move(received->registered);
  peer_memory.watch(abort_address());
  return {};
}

}  // namespace p2plab::cuda
