// SPDX-License-Identifier: Apache-2.0
#include "executors/backend.h"

#include <mutex>

#include <fmt/format.h>

#include "cuda/jit/kernel_cache.h"
#include "cuda/measure.h"
#include "cuda/run/run.h"
#include "cuda/run/step_times.h"
#include "cuda/run/timed_call.h"
#include "cuda/stages/cuda_stages.h"

namespace p2plab::backend {

std::shared_ptr<KernelCache> make_kernel_cache() { return std::make_shared<KernelCache>(); }

Status cuda_available() {
  auto count = cuda::device_count();
  if (!count) return std::move(count).error();
  return {};
}

KernelCache::KernelCache() = default;
KernelCache::~KernelCache() = default;

Result<cuda::DeviceSet*> KernelCache::device_set(const std::vector<int>& devices) {
  if (device_set_ && devices_ == devices) return &*device_set_;
  device_set_.reset();
  auto made = cuda::DeviceSet::create(devices, CommunicatorOptions{}.memory);
  if (!made) return std::move(made).error();
  device_set_.emplace(*std::move(made));
  devices_ = devices;
  return &*device_set_;
}

Result<cuda::DeviceSet*> KernelCache::device_set(Session& session, int device) {
  if (device_set_) return &*device_set_;
  auto made = cuda::DeviceSet::create(session, device, CommunicatorOptions{}.memory);
  if (!made) return std::move(made).error();
  device_set_.emplace(*std::move(made));
  return &*device_set_;
}

Result<Measurement> run_cuda(const Job& job, const RunOptions& options, KernelCache& kept) {
  const std::lock_guard lock(kept.one_at_a_time);
  const auto& program = *job.program;
  auto devices = cuda::devices_for(program.ranks());
  if (!devices) return std::move(devices).error();
  const auto device_set = kept.device_set(*devices);
  if (!device_set) return device_set.error();
  auto ranks = cuda::RankStreams::create(*devices);
  if (!ranks) return std::move(ranks).error();
  auto buffers = cuda::Buffers::create(job.plan->schedule, program.payload, *devices, {.in_place = program.in_place && !program.epilogue});
  if (!buffers) return std::move(buffers).error();
  const auto call = cuda::TimedCall::create(job, options, *buffers, *devices, kept.kernels, **device_set);
  if (!call) return call.error();
  const cuda::Subject subject{.executor = "cuda",
                              .buffers = &*buffers,
                              .ranks = &*ranks,
                              .enqueue = [&](Rank rank, const cuda::Stream& stream) { return call->enqueue(rank, stream); },
                              .after = [&] { return call->hang(); },
                              .size = program.payload.size()};
  auto how = options;
  how.check = options.check && call->is_compared();
  auto result = cuda::measure(subject, how);
  if (!result) return result;
  for (auto& note : call->notes()) result->notes.push_back(std::move(note));
  result->notes.push_back(cuda::describe_device(0));
  if (!options.steps) return result;
  auto times = cuda::time_steps(job, options, {*ranks, *buffers, kept.kernels, **device_set});
  if (!times) {
    result->notes.push_back("no steps: " + times.error().message);
    return result;
  }
  result->steps = std::move(times->steps);
  constexpr double us = 1e6;
  if (times->apart.count() > 0)
    result->notes.push_back(fmt::format("steps: clocks of GPUs are set to each other within {:.2f} us", us * times->apart.count()));
  return result;
}

}  // namespace p2plab::backend
