// SPDX-License-Identifier: Apache-2.0
// Collectives in a program of one's own: ranks on GPUs, programs made ready once, then called on the caller's streams and buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "p2plab/program/executor.h"
#include "p2plab/run/processes.h"

namespace p2plab {

/// What a rank's epilogue reads and writes beside the sums, if its program has one (program/epilogue.h): rows one after another, at multiples of 16
/// bytes. Those that it does not have are 0. `sum` may be the residual's memory; beside that none may overlap, nor
/// the call's input and output.
struct EpilogueBuffers {
  std::uint64_t residual = 0;
  std::uint64_t weight = 0;
  std::uint64_t bias = 0;
  std::uint64_t sum = 0;
  std::uint64_t normed = 0;
  std::uint64_t quantised = 0;  // a byte an element
  std::uint64_t scales = 0;     // float32: one (read), one a row, or one a group
};

/// Where a call's kernel writes when it began and how long it took: memory of its GPU, as kernel_args.h lays it out. All zero: nowhere.
struct CallJournal {
  std::uint64_t counts = 0;
  std::uint64_t ring = 0;
  std::uint32_t name = 0;
  std::uint32_t mask = 0;
};

/// What a rank's call reads and writes: addresses in the memory of its GPU, laid out as layout.h says. In place, one lies within the other.
struct DeviceBuffers {
  std::uint64_t input = 0;
  std::uint64_t output = 0;
  EpilogueBuffers epilogue = {};
  CallJournal journal = {};
};

/// How the other ranks come by a caller's data.
enum class BufferUse : std::uint8_t {
  registered,  // they read and write the buffers, which are named once for all calls
  staged,      // they never see them: each call names its own, at multiples of 16 bytes, and data passes through the communicator's memory
};

struct CommunicatorOptions {
  /// Programs that may run on a GPU at the same time, those of other communicators and what else must run beside them included: each takes at most
  /// this part of the thread blocks. Programs that wait for each other's ranks while others fill a GPU would wait until their deadline.
  int at_once = 1;
  Bytes memory{std::int64_t{2} << 20};  // allocated on each GPU at first; more follows when a program needs it
  /// How long a kernel waits for another rank before it gives up, from 0.1 s to 24 hours; 0: what P2PLAB_DEADLINE says, else 2 s.
  Seconds deadline{0};
  /// Buffers may name a journal. Without it kernels that are made for a program have no code for one, and such a call is an error.
  bool recorded = false;
  /// With `recorded`: kernels also note, in a journal with room for it, when each thread block began and ended each step.
  bool steps = false;
};

/// What notes of steps stand for, on one rank. Block b of a launch is part b % blocks_per_lane of lane b / blocks_per_lane (0: all are parts of lane
/// 0), and item i of a lane stands for these steps of the schedule; -1 is a token, which says that a rank has begun.
struct NotedItems {
  int blocks_per_lane = 0;
  std::vector<std::vector<std::vector<std::int32_t>>> lanes = {};
};

/// GPU memory of a communicator on one rank.
struct MemoryUse {
  Bytes held{0};        // allocated
  Bytes lent{0};        // to operations
  int allocations = 0;  // since the beginning
};

/// A program made ready: memory, handles, kernels and their parameters. Its calls allocate no memory of GPUs, wait for nothing on the host, and may
/// be captured in CUDA graphs. All ranks call it equally often, each time in the order in which its stream runs. Different operations may run on
/// different streams at the same time, as many as the communicators' `at_once`; then no stream may be so many launches ahead (1024) that CUDA makes
/// its thread wait, and with it those that would launch what the other streams wait for. It ends after its calls have, before the communicator does,
/// on all ranks between the same two `prepare`s, and before any rank frees registered buffers.
class Operation {
 public:
  class Body;
  explicit Operation(std::unique_ptr<Body> body);
  Operation(Operation&&) noexcept;
  Operation& operator=(Operation&&) noexcept;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();

  /// Puts a call of `rank` on `stream`, a cudaStream_t of its GPU. Only for registered buffers.
  /// Errors: invalid_input (a rank of another process), device_failure.
  Status call(Rank rank, void* stream) const;
  /// The same on any buffers. Only for staged ones. Errors: as above; invalid_input (an address that is no multiple of 16).
  Status call(Rank rank, const DeviceBuffers& buffers, void* stream) const;

  /// After the end of calls: device_failure if one of them gave up waiting, naming rank, step and the rank that was missing. The operation is of no
  /// use from then on.
  Status state() const;
  /// What the kernel of `rank` notes of its steps; without lanes: it notes none.
  NotedItems noted(Rank rank) const;
  /// "lamport packets; 8 blocks of 128 threads".
  std::string describe() const;

 private:
  std::unique_ptr<Body> body_;
};

/// Ranks and the memory that they lend to operations: one arena on each GPU and one in pinned host memory, from which each operation gets what its
/// plan needs, and to which it returns it. An arena grows by a further allocation, in `prepare` only. Peers get each allocation's handle once.
class Communicator {
 public:
  class Body;
  /// All ranks in this process, rank r on GPU devices[r]; a GPU may carry several ranks.
  /// Errors: no_device, not_built, unsupported (no peer access), device_failure.
  static Result<Communicator> create(const std::vector<int>& devices, const CommunicatorOptions& options = {});
  /// This process is rank session.rank(), on its GPU `device`; all ranks call it together. `session` must outlive the communicator.
  /// Errors: as above, and those of the session.
  static Result<Communicator> create(Session& session, int device, const CommunicatorOptions& options = {});
  explicit Communicator(std::unique_ptr<Body> body);
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  ~Communicator();

  /// Makes a program ready; in several processes, all ranks do so together, in the same order. What `job` views must outlive the operation.
  /// `buffers`: registered ones by rank (those of ranks in other processes do not matter), none for staged. May be called while other operations run.
  /// Errors: unsupported (more thread blocks than fit; buffers that other processes cannot open, in which case every rank gets this error, and staged
  /// ones can be used), invalid_input (another number of ranks or of buffers), verification_failed (a program that `check` refuses), device_failure.
  Result<Operation> prepare(const Job& job, BufferUse use, std::span<const DeviceBuffers> buffers = {}, const KernelShape& shape = {});

  /// The same of a segment of a plan over servers (segments/segments.h), which was proved with the others; on registered buffers.
  Result<Operation> prepare_segment(const Job& job, std::span<const DeviceBuffers> buffers, const KernelShape& shape = {});

  /// Of a rank that lives in this process.
  MemoryUse memory(Rank rank) const;

 private:
  std::unique_ptr<Body> body_;
};

}  // namespace p2plab
