// SPDX-License-Identifier: Apache-2.0
// cuda, in several processes: this one drives the GPU of its own rank; calls, checks and samples keep step with the others'.
#include <fmt/format.h>

#include "cuda/jit/kernel_cache.h"
#include "cuda/measure.h"
#include "cuda/memory/peer_memory.h"
#include "cuda/rank_measure.h"
#include "cuda/run/run.h"
#include "cuda/stages/cuda_stages.h"
#include "executors/backend.h"
#include "lowered/wait_limit.h"
#include "p2plab/program/peer_access.h"
#include "processes/results.h"

namespace p2plab::backend {

namespace {

// Why this process's GPU cannot take part; empty: it can.
std::string obstacle(const Job& job, Rank rank, int ranks) {
  const auto count = cuda::device_count();
  if (!count) return count.error().message;
  if (const auto limit = wait_limit(); !limit) return limit.error().message;
  if (job.program->ranks() != ranks) return fmt::format("the program has {} ranks, this job {} processes", job.program->ranks(), ranks);
  if (ranks > *count) return fmt::format("the program has {} ranks, this machine {} GPUs", ranks, *count);
  const PeerAccess peer_access(*job.topology);
  for (int other = 0; other < ranks; ++other) {
    const Rank peer{other};
    if (peer == rank || !(peer_access.connected(rank, peer) || peer_access.connected(peer, rank))) continue;
    if (auto able = cuda::can_reach(rank.value, other); !able) return able.error().message;
  }
  return {};
}

class Part {
 public:
  Part(const Job& job, const RunOptions& options, KernelCache& kept, cuda::DeviceSet& device_set)
      : job_(job),
        options_(options),
        kept_(kept),
        device_set_(device_set),
        peer_memory_(*device_set.peer_memory()),
        session_(peer_memory_.session()) {}

  Result<Measurement> run() {
    const auto& program = *job_.program;
    std::vector<int> devices;
    for (int r = 0; r < peer_memory_.ranks(); ++r) devices.push_back(device_set_.gpu(static_cast<std::size_t>(r)).device);
    auto streams = cuda::RankStreams::create({devices[peer_memory_.rank().index()]});
    auto buffers = cuda::Buffers::create(job_.plan->schedule, program.payload, devices, {.in_place = program.in_place, .only = peer_memory_.rank()});
    const auto allocated = buffers ? Status{} : Status{buffers.error()};
    if (auto well = processes::all_well(session_, streams ? allocated : Status{streams.error()}); !well) return std::move(well).error();
    streams_ = &*streams;
    buffers_ = &*buffers;
    auto result = measured();
    // Nobody frees memory that another still has open.
    if (auto all = session_.barrier(); !all && result) return std::move(all).error();
    return result;
  }

 private:
  Result<Measurement> measured() {
    const auto addresses = buffers_->addresses();
    own_ = addresses[peer_memory_.rank().index()];
    auto run = cuda::GpuRun::create(job_, cuda::run_buffers(options_, addresses), options_.shape, kept_.kernels, device_set_);
    if (!run) return std::move(run).error();
    run_ = run->get();
    auto result = measure();
    if (result) result->notes.push_back(run_->describe());
    if (result) result->notes.push_back(fmt::format("{} processes, one a GPU, memory shared by CUDA's handles", peer_memory_.ranks()));
    return result;
  }

  // A rank that is gone is the reason for whatever else went wrong.
  Status sane(Status mine) const {
    if (auto lost = session_.state(); !lost) return lost;
    if (auto well = run_->hang(); !well) return well;
    return mine;
  }

  Result<Measurement> measure() const {
    // All wait at one gate.
    const cuda::Meeting meeting{
        .barrier = [this] { return session_.barrier(); }, .gate = peer_memory_.gate(), .opens = peer_memory_.rank() == Rank{0}};
    return cuda::measure_rank({.executor = "cuda",
                               .session = &session_,
                               .rank = peer_memory_.rank(),
                               .buffers = buffers_,
                               .streams = streams_,
                               .size = job_.program->payload.size(),
                               .enqueue = [this](Rank rank, const cuda::Stream& stream) { return run_->call(rank, own_, stream.get()); },
                               .after = [this](Status mine) { return sane(std::move(mine)); },
                               .meeting = meeting},
                              options_);
  }

  const Job& job_;
  const RunOptions& options_;
  KernelCache& kept_;
  cuda::DeviceSet& device_set_;
  cuda::PeerMemory& peer_memory_;
  Session& session_;
  const cuda::GpuRun* run_ = nullptr;
  DeviceBuffers own_;
  const cuda::RankStreams* streams_ = nullptr;
  const cuda::Buffers* buffers_ = nullptr;
};

}  // namespace

Result<Measurement> run_cuda_process(const Job& job, const RunOptions& options, KernelCache& kept, Session& session) {
  if (servers_of(*job.topology).count() > 1) {
    if (!kept.stages) kept.stages = std::make_unique<cuda::CudaStages>(session);
    return kept.stages->run(job, options);
  }
  const Rank rank{session.rank()};
  const Offer offer{
      .build = processes::build(), .digest = processes::digest(*job.program, options), .obstacle = obstacle(job, rank, session.ranks())};
  if (auto agreed = agree(session, offer); !agreed) return std::move(agreed).error();
  const auto device_set = kept.device_set(session, rank.value);
  if (!device_set) return device_set.error();
  return Part(job, options, kept, **device_set).run();
}

Result<Measurement> run_nccl_process(const Job& job, const RunOptions& options, KernelCache& kept, Session& session) {
  if (!kept.stages) kept.stages = std::make_unique<cuda::CudaStages>(session);
  return kept.stages->run_nccl(job, options);
}

}  // namespace p2plab::backend
