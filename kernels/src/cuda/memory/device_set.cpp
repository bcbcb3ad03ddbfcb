#include "cuda/site.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr Bytes least_host{std::int64_t{64} << 10};

Result<Site::Gpu> look_at(int device) {
  auto bus = bus_id(device);
  if (!bus) return std::move(bus).error();
  const auto generation = capability(device);
  if (!generation) return generation.error();
  const auto processors = multiprocessors(device);
  if (!processors) return processors.error();
  return Site::Gpu{device, *std::move(bus), *generation, *processors};
}

Result<Extent> pinned_extent(Bytes size) {
  auto memory = allocate_pinned(size);
  if (!memory) return std::move(memory).error();
  const auto address = memory->address();
  return Extent{address, size, std::shared_ptr<void>(memory->release(), free_pinned)};
}

int most_on_one(const std::vector<Site::Gpu>& gpus) {
  std::ptrdiff_t most = 1;
  for (const auto& gpu : gpus) most = std::max(most, std::ranges::count(gpus, gpu.bus, &Site::Gpu::bus));
  return static_cast<int>(most);
}

}  // namespace

Status Site::add(std::size_t rank, Bytes least) {
  if (auto done = use_device(gpus_[rank].device); !done) return done;
  auto stream = create_stream();
  if (!stream) return std::move(stream).error();
  auto* const world = world_.get();
  const auto host = world == nullptr ? Arena::Source{pinned_extent} : Arena::Source{[world](Bytes size) { return world->make_host_extent(size); }};
  sides_[rank].emplace(Side{Arena{World::make_extent, least}, Arena{host, least_host}, *std::move(stream)});
  return {};
}

Result<Site> Site::create(const std::vector<int>& devices, Bytes least) {
  Site site;
  site.sides_.resize(devices.size());
  for (std::size_t r = 0; r < devices.size(); ++r) {
    auto gpu = look_at(devices[r]);
    if (!gpu) return std::move(gpu).error();
    site.gpus_.push_back(*std::move(gpu));
    if (auto done = site.add(r, least); !done) return std::move(done).error();
  }
  site.ranks_per_gpu_ = most_on_one(site.gpus_);
  return site;
}

Result<Site> Site::create(Session& session, int device, Bytes least) {
  Site site;
  auto used = use_device(device);
  auto gpu = used ? look_at(device) : Result<Gpu>{used.error()};
  if (auto well = processes::all_well(session, gpu ? Status{} : Status{gpu.error()}); !well) return std::move(well).error();
  const auto texts = session.all_gather(fmt::format("{} {} {} {}", gpu->device, gpu->capability, gpu->multiprocessors, gpu->bus));
  if (!texts) return texts.error();
  for (const auto& text : *texts) {
    Gpu other;
    std::istringstream words(text);
    words >> other.device >> other.capability >> other.multiprocessors >> other.bus;
    site.gpus_.push_back(other);
  }
  auto world = World::create(session);
  if (!world) return std::move(world).error();
  site.world_ = *std::move(world);
  site.sides_.resize(site.gpus_.size());
  if (auto well = processes::all_well(session, site.add(site.own(), least)); !well) return std::move(well).error();
  site.ranks_per_gpu_ = most_on_one(site.gpus_);
  return site;
}

int Site::least_multiprocessors() const { return std::ranges::min(gpus_, {}, &Gpu::multiprocessors).multiprocessors; }
int Site::least_capability() const { return std::ranges::min(gpus_, {}, &Gpu::capability).capability; }

}  // namespace p2plab::cuda
