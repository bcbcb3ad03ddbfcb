// SPDX-License-Identifier: Apache-2.0
// Communicators and their operations, on GPUs.
#include "p2plab/run/communicator.h"

#include <mutex>

#include <fmt/format.h>

#include "cuda/run/run.h"
#include "lowered/wait_limit.h"
#include "p2plab/program/check.h"
#include "processes/results.h"

namespace p2plab {

class Operation::Body {
 public:
  explicit Body(std::unique_ptr<cuda::GpuRun> run) : run_(std::move(run)) {}
  const cuda::GpuRun& run() const { return *run_; }

 private:
  std::unique_ptr<cuda::GpuRun> run_;
};

Operation::Operation(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Operation::Operation(Operation&&) noexcept = default;
Operation& Operation::operator=(Operation&&) noexcept = default;
Operation::~Operation() = default;

namespace {

Status check_rank(const cuda::GpuRun& run, Rank rank) {
  if (run.has(rank)) return {};
  return Error{ErrorCode::invalid_input, fmt::format("rank {} does not live in this process", rank.value)};
}

}  // namespace

Status Operation::call(Rank rank, void* stream) const {
  if (auto here = check_rank(body_->run(), rank); !here) return here;
  expects(body_->run().use() == BufferUse::registered);
  return body_->run().call(rank, {}, stream);
}

Status Operation::call(Rank rank, const DeviceBuffers& buffers, void* stream) const {
  if (auto here = check_rank(body_->run(), rank); !here) return here;
  expects(body_->run().use() == BufferUse::staged);
  constexpr std::uint64_t vector = 16;
  for (const auto address : {buffers.input, buffers.output}) {
    if (address % vector != 0) return Error{ErrorCode::invalid_input, fmt::format("buffer {:#x} of a staged call is no multiple of 16", address)};
  }
  return body_->run().call(rank, buffers, stream);
}

Status Operation::state() const { return body_->run().hang(); }
NotedItems Operation::noted(Rank rank) const { return body_->run().noted(rank); }
std::string Operation::describe() const { return body_->run().describe(); }

class Communicator::Body {
 public:
  Body(cuda::DeviceSet device_set, const CommunicatorOptions& options)
      : device_set_(std::move(device_set)),
        at_once_(options.at_once),
        deadline_(options.deadline),
        recorded_(options.recorded),
        steps_(options.steps) {}

  Result<Operation> prepare(const Job& job, BufferUse use, std::span<const DeviceBuffers> buffers, const KernelShape& shape) {
    const std::lock_guard lock(mutex_);
    if (auto agreed = agree_on(job, use, buffers.size(), shape); !agreed) return std::move(agreed).error();
    const cuda::RunBuffers given{.use = use, .buffers = buffers, .at_once = at_once_, .deadline = deadline_, .recorded = recorded_, .steps = steps_};
    auto run = cuda::GpuRun::create(job, given, shape, kernels_, device_set_);
    if (!run) return std::move(run).error();
    return Operation(std::make_unique<Operation::Body>(*std::move(run)));
  }
  const cuda::DeviceSet& device_set() const { return device_set_; }

 private:
  // Whether this process can prepare it at all, and, of several, whether all can and mean the same.
  Status agree_on(const Job& job, BufferUse use, std::size_t buffers, const KernelShape& shape) const {
    const auto mine = fits(job, use, buffers);
    if (device_set_.peer_memory() == nullptr) return mine;
    const RunOptions options{.shape = shape, .staged = use == BufferUse::staged};
    return agree(device_set_.peer_memory()->session(), {.build = processes::build(),
                                                        .digest = fmt::format("{}, {} at once", processes::digest(*job.program, options), at_once_),
                                                        .obstacle = mine ? std::string{} : mine.error().message});
  }

  Status fits(const Job& job, BufferUse use, std::size_t buffers) const {
    const auto ranks = device_set_.ranks();
    if (job.program->ranks() != ranks)
      return Error{ErrorCode::invalid_input, fmt::format("the program has {} ranks, the communicator {}", job.program->ranks(), ranks)};
    const auto wanted = use == BufferUse::registered ? static_cast<std::size_t>(ranks) : 0;
    if (buffers != wanted) return Error{ErrorCode::invalid_input, fmt::format("{} pairs of buffers, {} are needed", buffers, wanted)};
    return {};
  }

  std::mutex mutex_;
  cuda::SpecialKernels kernels_;
  cuda::DeviceSet device_set_;
  int at_once_;
  Seconds deadline_;
  bool recorded_;
  bool steps_;
};

Communicator::Communicator(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

namespace {

Status check_options(const std::vector<int>& devices, const CommunicatorOptions& options) {
  if (options.at_once < 1) return Error{ErrorCode::invalid_input, fmt::format("{} programs at once; at least 1 is needed", options.at_once)};
  if (const auto limit = wait_limit(options.deadline); !limit) return limit.error();
  const auto count = cuda::device_count();
  if (!count) return count.error();
  for (const auto device : devices) {
    if (device < 0 || device >= *count) return Error{ErrorCode::invalid_input, fmt::format("GPU {} of {}", device, *count)};
  }
  return {};
}

}  // namespace

Result<Communicator> Communicator::create(const std::vector<int>& devices, const CommunicatorOptions& options) {
  if (auto good = check_options(devices, options); !good) return std::move(good).error();
  auto device_set = cuda::DeviceSet::create(devices, options.memory);
  if (!device_set) return std::move(device_set).error();
  return Communicator(std::make_unique<Body>(*std::move(device_set), options));
}

Result<Communicator> Communicator::create(Session& session, int device, const CommunicatorOptions& options) {
  if (auto good = processes::all_well(session, check_options({device}, options)); !good) return std::move(good).error();
  auto device_set = cuda::DeviceSet::create(session, device, options.memory);
  if (!device_set) return std::move(device_set).error();
  return Communicator(std::make_unique<Body>(*std::move(device_set), options));
}

Result<Operation> Communicator::prepare(const Job& job, BufferUse use, std::span<const DeviceBuffers> buffers, const KernelShape& shape) {
  if (auto proved = check(*job.topology, *job.program); !proved) return std::move(proved).error();
  return body_->prepare(job, use, buffers, shape);
}

Result<Operation> Communicator::prepare_segment(const Job& job, std::span<const DeviceBuffers> buffers, const KernelShape& shape) {
  return body_->prepare(job, BufferUse::registered, buffers, shape);
}

MemoryUse Communicator::memory(Rank rank) const {
  expects(body_->device_set().has(rank.index()));
  const auto& arena = body_->device_set().memory(rank.index());
  return {arena.held(), arena.lent(), arena.allocations()};
}

}  // namespace p2plab
