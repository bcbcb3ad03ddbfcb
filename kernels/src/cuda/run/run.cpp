// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/run.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "cuda/run/copy_run.h"
#include "cuda/run/packet_run.h"
#include "cuda/run/slice_run.h"
#include "lowered/wait_limit.h"
#include "p2plab/program/hardware_routes.h"
#include "processes/results.h"
#include "rows/epilogue_link.h"

namespace p2plab::cuda {

GpuRun::GpuRun(const Job& job, const RunBuffers& buffers, DeviceSet& device_set)
    : program_(*job.program),
      peer_access_(*job.topology),
      device_set_(device_set),
      share_(device_set.ranks_per_gpu() * buffers.at_once),
      deadline_(buffers.deadline),
      recorded_(buffers.recorded),
      steps_(buffers.recorded && buffers.steps),
      addresses_(job.program->memory.size()),
      layout_(job.plan->schedule, job.program->payload),
      use_(buffers.use),
      memory_(job.program->memory.size()) {
  for (const auto& of_rank : buffers.buffers) epilogues_.push_back(of_rank.epilogue);
}

GpuRun::~GpuRun() {
  // Not yet known to the other processes.
  if (addresses_[0].reports == 0 || device_set_.peer_memory() == nullptr) return;
  device_set_.peer_memory()->forget(abort_address());
}

Result<std::unique_ptr<GpuRun>> GpuRun::create(const Job& job, const RunBuffers& given, const KernelShape& shape, SpecialKernels& kernels,
                                               DeviceSet& device_set) {
  const auto deadline = wait_limit(given.deadline);
  if (!deadline) return deadline.error();
  auto buffers = given;
  buffers.deadline = *deadline;
  if (auto follows = follows_hardware(*job.program, *job.topology); !follows) return std::move(follows).error();
  std::unique_ptr<GpuRun> run;
  if (job.program->packets) {
    run = std::make_unique<PacketRun>(job, buffers, shape, kernels, device_set);
  } else if (job.program->tuning.protocol == Protocol::copy) {
    run = std::make_unique<CopyRun>(job, buffers, device_set);
  } else {
    run = std::make_unique<SliceRun>(job, buffers, shape, device_set);
  }
  run->most_blocks_ = shape.blocks;
  if (auto done = run->check_reach(); !done) return std::move(done).error();
  auto* const peer_memory = device_set.peer_memory();
  if (auto done = peer_memory == nullptr ? run->connect() : Status{}; !done) return std::move(done).error();  // handles connect by themselves
  if (auto done = run->place(buffers.buffers); !done) return std::move(done).error();
  auto ready = run->prepare();
  if (peer_memory != nullptr) ready = processes::all_well(peer_memory->session(), ready);
  if (!ready) return std::move(ready).error();
  return run;
}

// A program tells which GPUs it was lowered for: those whose memory its ranks touch.
Status GpuRun::check_reach() const {
  if (program_.packets ? program_.packets->fits(peer_access_) : peer_access_.covers(program_)) return {};
  return Error{.code = ErrorCode::unsupported,
               .message = "the program has ranks that touch each other's memory, which their GPUs here do not reach",
               .notes = {"lower it with this machine's peer access: it then runs packet by packet through host memory"}};
}

Status GpuRun::connect() const {
  for (std::size_t a = 0; a < addresses_.size(); ++a) {
    for (std::size_t b = 0; b < addresses_.size(); ++b) {
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      const auto device = device_set_.gpu(a).device;
      const auto peer = device_set_.gpu(b).device;
      if (device == peer || !(peer_access_.connected(from, to) || peer_access_.connected(to, from))) continue;
      if (auto done = enable_peer_access(device, peer); !done) return done;
    }
  }
  return {};
}

Status GpuRun::each_rank(const std::function<Status(std::size_t)>& visit) const {
  for (std::size_t r = 0; r < addresses_.size(); ++r) {
    if (!device_set_.has(r)) continue;
    if (auto done = use_device(device_set_.gpu(r).device); !done) return done;
    if (auto done = visit(r); !done) return done;
  }
  return {};
}

// GPUs of other processes are not asked: a multiprocessor of theirs holds as many as one here.
Result<int> GpuRun::resident_everywhere(const std::function<int()>& ask) const {
  auto least = std::numeric_limits<int>::max();
  const auto asked = each_rank([&](std::size_t rank) -> Status {
    const auto resident = ask();
    if (resident <= 0) {
      auto refused = check(-resident, "ask how many blocks fit");
      return refused ? Error{ErrorCode::unsupported, "not one block fits"} : std::move(refused).error();
    }
    least = std::min(least, resident / device_set_.gpu(rank).multiprocessors * device_set_.least_multiprocessors());
    return {};
  });
  if (!asked) return asked.error();
  return least;
}

// What other ranks touch is staged in copies of the caller's buffers.
Status GpuRun::call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const {
  const auto& staged = addresses_[rank.index()].buffers;
  if (use_ == BufferUse::registered) {
    if (auto done = launch(rank, journal_of(buffers), stream); !done) return done;
    return launch_epilogue(rank, staged[1], buffers, stream);
  }
  if (auto done = copy_on(staged[0], buffers.input, layout_.input_size(rank), stream); !done) return done;
  if (auto done = launch(rank, journal_of(buffers), stream); !done) return done;
  if (auto done = launch_epilogue(rank, staged[1], buffers, stream); !done) return done;
  return copy_on(buffers.output, staged[1], layout_.output_size(rank), stream);
}

Result<args::EpilogueCall> GpuRun::epilogue_of(Rank rank, std::uint64_t source, const DeviceBuffers& buffers) const {
  const auto& tensors = use_ == BufferUse::registered ? epilogues_[rank.index()] : buffers.epilogue;
  return link_epilogue(*program_.epilogue, program_.payload, source, tensors);
}

Status GpuRun::launch_epilogue(Rank rank, std::uint64_t source, const DeviceBuffers& buffers, device::StreamHandle stream) const {
  if (!program_.epilogue) return {};
  const auto call = epilogue_of(rank, source, buffers);
  if (!call) return call.error();
  return check(device::launch_rows(program_.payload.type, *call, most_blocks_, stream), "launch the epilogue");
}

Status GpuRun::hang() const {
  for (std::size_t r = 0; r < addresses_.size(); ++r) {
    const auto& report = *reinterpret_cast<const args::HangReport*>(report_address(r));
    if (report.hung == 0) continue;
    return Error{.code = ErrorCode::device_failure,
                 .message = fmt::format("rank {} waited longer than {}", r, wait_text(deadline_)),
                 .notes = device_set_.has(r) ? std::vector{describe_wait(r, report)} : std::vector<std::string>{}};
  }
  return {};
}

std::string GpuRun::waited_for(const SourceOrigin& origin) {
  if (origin.step.value < 0) return fmt::format("for rank {} to begin the call", origin.peer);
  return fmt::format("of step {} from rank {}", origin.step.value, origin.peer);
}

}  // namespace p2plab::cuda
