// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/device_set.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr Bytes least_host{std::int64_t{64} << 10};

Result<DeviceSet::Gpu> look_at(int device) {
  auto bus = bus_id(device);
  if (!bus) return std::move(bus).error();
  const auto generation = capability(device);
  if (!generation) return generation.error();
  const auto processors = multiprocessors(device);
  if (!processors) return processors.error();
  return DeviceSet::Gpu{device, *std::move(bus), *generation, *processors};
}

Result<Extent> pinned_extent(Bytes size) {
  auto memory = allocate_pinned(size);
  if (!memory) return std::move(memory).error();
  const auto address = memory->address();
  return Extent{address, size, std::shared_ptr<void>(memory->release(), free_pinned)};
}

int most_on_one(const std::vector<DeviceSet::Gpu>& gpus) {
  std::ptrdiff_t most = 1;
  for (const auto& gpu : gpus) most = std::max(most, std::ranges::count(gpus, gpu.bus, &DeviceSet::Gpu::bus));
  return static_cast<int>(most);
}

}  // namespace

Status DeviceSet::add(std::size_t rank, Bytes least) {
  if (auto done = use_device(gpus_[rank].device); !done) return done;
  auto stream = create_stream();
  if (!stream) return std::move(stream).error();
  auto* const peer_memory = peer_memory_.get();
  const auto host = peer_memory == nullptr ? Arena::Source{pinned_extent}
                                           : Arena::Source{[peer_memory](Bytes size) { return peer_memory->make_host_extent(size); }};
  sides_[rank].emplace(Side{Arena{PeerMemory::make_extent, least}, Arena{host, least_host}, *std::move(stream)});
  return {};
}

Result<DeviceSet> DeviceSet::create(const std::vector<int>& devices, Bytes least) {
  DeviceSet device_set;
  device_set.sides_.resize(devices.size());
  for (std::size_t r = 0; r < devices.size(); ++r) {
    auto gpu = look_at(devices[r]);
    if (!gpu) return std::move(gpu).error();
    device_set.gpus_.push_back(*std::move(gpu));
    if (auto done = device_set.add(r, least); !done) return std::move(done).error();
  }
  device_set.ranks_per_gpu_ = most_on_one(device_set.gpus_);
  return device_set;
}

Result<DeviceSet> DeviceSet::create(Session& session, int device, Bytes least) {
  DeviceSet device_set;
  auto used = use_device(device);
  auto gpu = used ? look_at(device) : Result<Gpu>{used.error()};
  if (auto well = processes::all_well(session, gpu ? Status{} : Status{gpu.error()}); !well) return std::move(well).error();
  const auto texts = session.all_gather(fmt::format("{} {} {} {}", gpu->device, gpu->capability, gpu->multiprocessors, gpu->bus));
  if (!texts) return texts.error();
  for (const auto& text : *texts) {
    Gpu other;
    std::istringstream words(text);
    words >> other.device >> other.capability >> other.multiprocessors >> other.bus;
    device_set.gpus_.push_back(other);
  }
  auto peer_memory = PeerMemory::create(session);
  if (!peer_memory) return std::move(peer_memory).error();
  device_set.peer_memory_ = *std::move(peer_memory);
  device_set.sides_.resize(device_set.gpus_.size());
  if (auto well = processes::all_well(session, device_set.add(device_set.own(), least)); !well) return std::move(well).error();
  device_set.ranks_per_gpu_ = most_on_one(device_set.gpus_);
  return device_set;
}

int DeviceSet::least_multiprocessors() const { return std::ranges::min(gpus_, {}, &Gpu::multiprocessors).multiprocessors; }
int DeviceSet::least_capability() const { return std::ranges::min(gpus_, {}, &Gpu::capability).capability; }

}  // namespace p2plab::cuda
