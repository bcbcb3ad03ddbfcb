// SPDX-License-Identifier: Apache-2.0
// An operation with buffers of its own, called again and again on data that is new every time and compared on the GPU. The host threads of its ranks
// are held up at random.
#pragma once

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "cuda/memory/buffers.h"
#include "cuda/timing.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/communicator.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::test {

/// What is called: half numbers, summed.
struct CallCase {
  CollectiveKind kind = CollectiveKind::all_reduce;
  const char* planner = "two_shot";
  Tuning tuning = {};
  std::int64_t elements = 0;
  KernelShape shape = {};
  BufferUse use = BufferUse::registered;
  const char* preset = "hgx-h200";  // of so many GPUs as the communicator has ranks
};

class FreshCalls {
 public:
  /// Ready to be called on the communicator's ranks, rank r on GPU devices[r].
  static Result<std::unique_ptr<FreshCalls>> create(Communicator& communicator, const std::vector<int>& devices, const CallCase& which) {
    std::unique_ptr<FreshCalls> calls{new FreshCalls(devices, which)};
    if (auto done = calls->prepare(communicator, which); !done) return std::move(done).error();
    return calls;
  }

  /// Begins so many calls, from one thread a rank.
  void start(int count) {
    for (std::size_t r = 0; r < devices_.size(); ++r) threads_.emplace_back([this, r, count] { results_[r] = run_rank(r, count); });
  }

  /// Waits for them: how many elements were wrong.
  Result<std::int64_t> wrong() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    if (auto well = operation_->state(); !well) return std::move(well).error();
    std::int64_t sum = 0;
    for (std::size_t r = 0; r < devices_.size(); ++r) {
      if (!results_[r]) return results_[r].error();
      device::CheckResult mine;
      if (auto done = cuda::copy_from_device(&mine, found_[r].address(), Bytes{sizeof mine}); !done) return std::move(done).error();
      sum += static_cast<std::int64_t>(mine.wrong);
    }
    return sum;
  }

  std::string describe() const { return operation_->describe(); }
  const Schedule& schedule() const { return plan_->schedule; }
  const Program& program() const { return *program_; }
  const Operation& operation() const { return *operation_; }
  const cuda::Buffers& buffers() const { return *buffers_; }
  const cuda::RankStreams& streams() const { return *streams_; }

 private:
  FreshCalls(const std::vector<int>& devices, const CallCase& which)
      : devices_(devices),
        machine_(*resolve_topology(which.preset + (":gpus=" + std::to_string(devices.size())))),
        payload_{.elements = which.elements, .type = DataType::float16},
        use_(which.use),
        results_(devices.size()) {}

  Status prepare(Communicator& communicator, const CallCase& which) {
    const auto planners = builtin_planners();
    const auto planner = planners.get("algorithm", which.planner);
    if (!planner) return planner.error();
    auto plan = (*planner)->make()->plan(machine_, make_collective(which.kind, machine_.ranks()), {.payload = payload_, .parameters = {}});
    if (!plan) return plan.error();
    plan_ = std::make_unique<Plan>(*std::move(plan));
    const auto proof = verify(machine_, plan_->schedule);
    if (!proof) return proof.error();
    auto program = lower(plan_->schedule, *proof, payload_, which.tuning);
    if (!program) return program.error();
    program_ = std::make_unique<Program>(*std::move(program));
    auto streams = cuda::RankStreams::create(devices_);
    if (!streams) return streams.error();
    streams_ = std::make_unique<cuda::RankStreams>(*std::move(streams));
    auto buffers = cuda::Buffers::create(plan_->schedule, payload_, devices_, {});
    if (!buffers) return buffers.error();
    buffers_ = std::make_unique<cuda::Buffers>(*std::move(buffers));
    addresses_ = buffers_->addresses();
    const auto named = use_ == BufferUse::registered ? std::span<const DeviceBuffers>{addresses_} : std::span<const DeviceBuffers>{};
    auto operation = communicator.prepare({&machine_, plan_.get(), program_.get()}, use_, named, which.shape);
    if (!operation) return operation.error();
    operation_ = std::make_unique<Operation>(*std::move(operation));
    return make_findings();
  }

  Status make_findings() {
    for (std::size_t r = 0; r < devices_.size(); ++r) {
      if (auto done = cuda::use_device(devices_[r]); !done) return done;
      auto memory = cuda::allocate(Bytes{sizeof(device::CheckResult)});
      if (!memory) return memory.error();
      found_.push_back(*std::move(memory));
      if (auto done = load_data_kernels(r); !done) return done;
      const device::CheckResult none;
      if (auto done = cuda::copy_to_device(found_.back().address(), &none, Bytes{sizeof none}); !done) return done;
    }
    return {};
  }

  // CUDA loads a kernel when it is first launched, and may wait for those that run: a call that waits for another rank would keep it from that.
  Status load_data_kernels(std::size_t r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    const auto& stream = streams_->streams[r];
    if (auto done = buffers_->generate_on(rank, 0, stream); !done) return done;
    if (auto done = buffers_->compare_on(rank, 0, found_[r].address(), stream); !done) return done;
    return cuda::synchronize(stream);
  }

  static void hold_up(std::mt19937& random) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 64);
    while (random() % 4 == 0 && std::chrono::steady_clock::now() < until) {
    }
  }

  // New input, the call, the comparison, all on the rank's stream.
  Status run_rank(std::size_t r, int count) {
    const Rank rank{static_cast<std::int64_t>(r)};
    std::mt19937 random(static_cast<unsigned>(r));
    if (auto done = cuda::use_device(devices_[r]); !done) return done;
    const auto& stream = streams_->streams[r];
    for (int c = 0; c < count; ++c) {
      hold_up(random);
      const auto seed = static_cast<std::uint64_t>(c);
      if (auto done = buffers_->generate_on(rank, seed, stream); !done) return done;
      const auto called = use_ == BufferUse::registered ? operation_->call(rank, stream.get()) : operation_->call(rank, addresses_[r], stream.get());
      if (!called) return called;
      if (auto done = buffers_->compare_on(rank, seed, found_[r].address(), stream); !done) return done;
      // A full queue would hold this thread in a launch, and with it those that launch on the same GPU's other streams.
      if (c % most_ahead == most_ahead - 1) {
        if (auto done = cuda::synchronize(stream); !done) return done;
      }
    }
    return cuda::synchronize(stream);
  }

  static constexpr int most_ahead = 200;

  std::vector<int> devices_;
  Topology machine_;
  Payload payload_;
  BufferUse use_;
  std::unique_ptr<Plan> plan_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<cuda::RankStreams> streams_;
  std::unique_ptr<cuda::Buffers> buffers_;
  std::vector<DeviceBuffers> addresses_;
  std::unique_ptr<Operation> operation_;
  std::vector<cuda::DeviceMemory> found_;
  std::vector<Status> results_;
  std::vector<std::jthread> threads_;  // joined before what they use goes
};

}  // namespace p2plab::test
