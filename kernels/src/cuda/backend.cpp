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

Result<Measurement> run_cuda(const Job& job, const RunOptions& options, CudaKept& kept) {
  const std::lock_guard lock(kept.one_at_a_time);
  const auto& program = *job.program;
  auto devices = cuda::devices_for(program.ranks());
  if (!devices) return std::move(devices).error();
  auto ranks = cuda::RankStreams::create(*devices);
  if (!ranks) return std::move(ranks).error();
  auto buffers = cuda::Buffers::create(job.plan->schedule, program.payload, *devices, {.in_place = program.in_place});
  if (!buffers) return std::move(buffers).error();
  auto run = cuda::GpuRun::create(job, *buffers, *devices, options.shape, kept.kernels);
  if (!run) return std::move(run).error();
  const cuda::Subject subject{.executor = "cuda",
                              .buffers = &*buffers,
                              .ranks = &*ranks,
                              .enqueue = [&](Rank rank, const cuda::Stream& stream) { return run->enqueue(rank, stream); },
                              .after = [&] { return run->hang(); },
                              .size = program.payload.size()};
  auto result = cuda::measure(subject, options);
  if (!result) return result;
  result->notes.push_back(run->describe());
  result->notes.push_back(cuda::describe_device(0));
  return result;
}

}  // namespace p2plab::backend
