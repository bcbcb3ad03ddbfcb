// SPDX-License-Identifier: Apache-2.0
// The executor's interface: run one program, say how long it took and whether the data is right.
#pragma once

#include <cstdint>
#include <optional>

#include "p2plab/machine/topology.h"
#include "p2plab/program/measurement.h"
#include "p2plab/program/planner.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// How kernels are launched on GPUs. Zeros are chosen by size; on all ranks alike.
struct KernelShape {
  std::uint32_t threads = 0;                // of a block
  std::uint32_t blocks = 0;                 // by packets: at most so many
  std::uint32_t threads_per_processor = 0;  // by packets: at most so many at once
  std::uint32_t batch = 0;                  // by packets: how many a thread takes through one step before the next step
  bool interpret = false;                   // by packets: the interpreter, where code could be made for the program
  std::optional<bool> bulk = std::nullopt;  // by slices: bulk copies through shared memory (Hopper and later)? Unset: where they are known to pay
  bool programmatic = true;                 // by packets: set up a call while the one before still runs
  std::uint32_t first_call = 0;             // by packets: number of the first call, to see calls counted past the end
};

/// How an executor of a vendor's library makes its buffers known to it beforehand.
enum class Registration { none, local, symmetric };

struct RunOptions {
  int warmup = 2;
  int repeats = 5;
  std::uint64_t seed = 1;                          // of the random input data
  int threads = 0;                                 // host executor: worker threads, 0 = one per core
  bool graph = true;                               // cuda, nccl: time replays of a captured graph
  KernelShape shape = {};                          // cuda
  int calls = 0;                                   // cuda, nccl: calls that one sample is the mean of; 0: chosen by size
  bool steps = false;                              // cuda, host: of one call, what each block did when (Measurement::steps)
  bool check = true;                               // compare the data with the reference
  bool staged = false;                             // cuda: buffers that the other ranks never see (communicator.h)
  Registration registration = Registration::none;  // nccl
  bool rows_apart = false;                         // cuda: an epilogue as a kernel of its own behind the program without it
};

/// What is to be run: all views of values that the caller keeps alive during `run`.
struct Job {
  const Topology* topology = nullptr;
  const Plan* plan = nullptr;
  const Program* program = nullptr;
};

/// Runs programs: on the simulator, on CPU threads, on GPUs, or the vendor's library in place of the program.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Can it run on this machine? no_device or not_built, with the reason and the remedy, if not.
  virtual Status available() const = 0;
  /// The clock of its samples. Simulated ones are the same whenever they are asked for; those of a host say nothing about GPUs.
  virtual Clock clock() const = 0;
  /// Errors: unsupported (this job, with the reason), device_failure. Wrong data is not an error: it is in the measurement's check.
  virtual Result<Measurement> run(const Job& job, const RunOptions& options) const = 0;
};

}  // namespace p2plab
