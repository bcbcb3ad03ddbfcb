#include "backend.h"

#include <mutex>

#include <fmt/format.h>

#include "cuda/kept.h"
#include "cuda/measure.h"
#include "cuda/run.h"

namespace p2plab::backend {

std::shared_ptr<CudaKept> keep_for_cuda() { return std::make_shared<CudaKept>(); }

Status cuda_available() {
  auto count = cuda::device_count();
  if (!count) return std::move(count).error();
  return {};
}

Result<cuda::Site*> CudaKept::site(const std::vector<int>& devices) {
  if (site_ && devices_ == devices) return &*site_;
  site_.reset();
  auto made = cuda::Site::create(devices, CommunicatorOptions{}.memory);
  if (!made) return std::move(made).error();
  site_.emplace(*std::move(made));
  devices_ = devices;
  return &*site_;
}

Result<cuda::Site*> CudaKept::site(Session& session, int device) {
  if (site_) return &*site_;
  auto made = cuda::Site::create(session, device, CommunicatorOptions{}.memory);
  if (!made) return std::move(made).error();
  site_.emplace(*std::move(made));
  return &*site_;
}

Result<Measurement> run_cuda(const Job& job, const RunOptions& options, CudaKept& kept) {
  const std::lock_guard lock(kept.one_at_a_time);
  const auto& program = *job.program;
  auto devices = cuda::devices_for(program.ranks());
  if (!devices) return std::move(devices).error();
  const auto site = kept.site(*devices);
  if (!site) return site.error();
  auto ranks = cuda::RankStreams::create(*devices);
  if (!ranks) return std::move(ranks).error();
  auto buffers = cuda::Buffers::create(job.plan->schedule, program.payload, *devices, {.in_place = program.in_place});
  if (!buffers) return std::move(buffers).error();
  const auto addresses = buffers->addresses();
  auto run = cuda::GpuRun::create(job, cuda::run_buffers(options, addresses), options.shape, kept.kernels, **site);
  if (!run) return std::move(run).error();
  const cuda::Subject subject{
      .executor = "cuda",
      .buffers = &*buffers,
      .ranks = &*ranks,
      .enqueue = [&](Rank rank, const cuda::Stream& stream) { return run->call(rank, addresses[rank.index()], stream.get()); },
      .after = [&] { return run->hang(); },
      .size = program.payload.size()};
  auto result = cuda::measure(subject, options);
  if (!result) return result;
  result->notes.push_back(run->describe());
  result->notes.push_back(cuda::describe_device(0));
  return result;
}

}  // namespace p2plab::backend
