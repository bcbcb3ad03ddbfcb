// SPDX-License-Identifier: Apache-2.0
// A program made ready on GPUs: memory, links between ranks, tables and launch shapes; then any number of calls without further set-up.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/jit/special_kernel.h"
#include "cuda/memory/device_set.h"
#include "cuda/memory/peer_memory.h"
#include "lowered/linked_packets.h"
#include "lowered/step_clocks.h"
#include "p2plab/program/executor.h"
#include "p2plab/program/peer_access.h"
#include "p2plab/run/communicator.h"
#include "p2plab/schedule/layout.h"
#include "rows/epilogue_args.h"

namespace p2plab::cuda {

/// What a run reads and writes, and how much of the GPUs it may have.
struct RunBuffers {
  BufferUse use = BufferUse::registered;
  std::span<const DeviceBuffers> buffers = {};  // registered ones, by rank
  int at_once = 1;                              // runs that share the GPUs' thread blocks
  Seconds deadline{0};                          // how long a kernel waits for another rank; 0: wait_limit.h says
  bool recorded = false;                        // calls may name a journal
  bool steps = false;                           // and note their steps in it
};

/// As `options` say.
inline RunBuffers run_buffers(const RunOptions& options, std::span<const DeviceBuffers> buffers) {
  return options.staged ? RunBuffers{.use = BufferUse::staged} : RunBuffers{.buffers = buffers};
}

/// What all ways of running share: where memory lies, how ranks learn of each other's, and what a hung kernel reports.
class GpuRun {
 public:
  /// As the program says: packet by packet, slice by slice, or by copy engines. Memory comes from `device_set`, which must outlive the run, as must
  /// `kernels` and what `job` views. Errors: unsupported (no peer access, more blocks than fit at once, buffers that cannot be shared),
  /// device_failure. Where the device_set has several processes, all call this together.
  static Result<std::unique_ptr<GpuRun>> create(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels,
                                                DeviceSet& device_set);
  GpuRun(const GpuRun&) = delete;
  GpuRun& operator=(const GpuRun&) = delete;
  virtual ~GpuRun();

  /// Puts one call of `rank` on `stream`, of the current device; `buffers` matter where they are staged.
  virtual Status call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const;
  /// After the end of all calls: device_failure if a kernel gave up waiting, naming rank, step and the rank that was missing.
  Status hang() const;
  /// What a rank's blocks note of their steps stands for these; none: they note nothing.
  virtual NotedItems noted(Rank rank) const = 0;
  /// Which of them wait for which others', where all ranks live here.
  virtual std::vector<Arrival> arrivals() const = 0;
  /// "Lamport packets; 32 blocks of 128 threads", for notes.
  virtual std::string describe() const = 0;
  BufferUse use() const { return use_; }
  /// Is this one of the ranks that live in this process?
  bool has(Rank rank) const { return rank.value >= 0 && rank.value < program_.ranks() && device_set_.has(rank.index()); }

 protected:
  GpuRun(const Job& job, const RunBuffers& buffers, DeviceSet& device_set);

  /// Memory that a rank needs beside its buffers and scratch.
  struct Needs {
    std::int64_t flags = 0;         // bytes, in its GPU and again in its host memory
    std::int64_t host_landing = 0;  // bytes, in its host memory
  };
  virtual Needs needs() const = 0;
  /// After the common memory of a rank: the rest.
  virtual Status place_own(std::size_t rank) = 0;
  /// Do other ranks touch the buffers of a caller?
  virtual bool shares_buffers() const = 0;
  /// When all memory is placed, and known to all ranks.
  virtual Status prepare() = 0;
  virtual Status launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const = 0;
  static args::CallJournal journal_of(const DeviceBuffers& buffers) {
    const auto& given = buffers.journal;
    return {given.counts, given.ring, given.name, given.mask};
  }
  static bool writes(const args::CallJournal& journal) { return (journal.counts | journal.ring) != 0; }
  /// The epilogue, if the program has one, as a kernel of its own after the launch; `source` are the sums.
  Status launch_epilogue(Rank rank, std::uint64_t source, const DeviceBuffers& buffers, device::StreamHandle stream) const;
  /// Its tensors are those of the call, or of the registered buffers.
  Result<args::EpilogueCall> epilogue_of(Rank rank, std::uint64_t source, const DeviceBuffers& buffers) const;
  /// What a kernel of a rank was waiting for.
  virtual std::string describe_wait(std::size_t rank, const args::HangReport& report) const = 0;

  // run_memory.cpp
  /// Room for a copy of the caller's input and output; for both in one, in place.
  Status place_staging(std::size_t rank);
  Result<Arena::Region> take(std::size_t rank, Bytes size) { return device_set_.memory(rank).take(size); }
  /// Copies tables one after another into memory of a rank, each at a multiple of Arena::unit; returns it.
  struct Table {
    const void* data = nullptr;
    Bytes bytes{0};
  };
  template <class T>
  static Table table(const std::vector<T>& values) {
    return {values.data(), Bytes{static_cast<std::int64_t>(values.size() * sizeof(T))}};
  }
  struct Uploaded {
    Arena::Region memory;
    std::vector<std::uint64_t> addresses;  // by table
  };
  Result<Uploaded> upload(std::size_t rank, std::span<const Table> tables);

  /// Blocks that every GPU holds at once, by what `ask` says of the GPUs here.
  Result<int> resident_everywhere(const std::function<int()>& ask) const;
  /// `visit(rank)` for each rank that lives here, its GPU current; until one fails.
  Status each_rank(const std::function<Status(std::size_t)>& visit) const;
  std::uint64_t counters(std::size_t rank) const { return memory_[rank].counters; }
  std::uint64_t report_address(std::size_t rank) const { return addresses_[0].reports + rank * report_bytes; }
  std::uint64_t abort_address() const { return report_address(addresses_.size()); }
  static std::int64_t round_up(std::int64_t value) { return (value + Arena::unit - 1) / Arena::unit * Arena::unit; }
  static std::string waited_for(const SourceOrigin& origin);

  static constexpr std::int64_t counter_bytes = std::int64_t{1} << 16;

  const Program& program_;
  PeerAccess peer_access_;
  DeviceSet& device_set_;
  std::uint32_t most_blocks_ = 0;  // of a kernel for rows alone; 0: any number
  int share_ = 1;                  // ranks and runs that share a GPU's thread blocks
  Seconds deadline_;               // how long a kernel waits for another rank
  bool recorded_;                  // calls may name a journal
  bool steps_;                     // and note their steps in it, if there is a kernel that does
  std::vector<RankAddresses> addresses_;

 private:
  /// What each rank takes of the arenas, whatever way it runs.
  struct RankRegions {
    Arena::Region device;   // scratch, token, flags, counters
    Arena::Region host;     // host buffer, host flags, host landing area; rank 0's: reports
    Arena::Region staging;  // copies of a caller's buffers
    std::uint64_t counters = 0;
  };

  static constexpr std::size_t report_bytes = 64;

  Status check_reach() const;
  Status connect() const;
  Status place(std::span<const DeviceBuffers> buffers);
  Status place_rank(std::size_t rank);
  Status place_device(std::size_t rank);
  Status place_host(std::size_t rank);
  Status exchange(std::span<const DeviceBuffers> buffers);

  BufferLayout layout_;
  BufferUse use_;
  std::vector<RankRegions> memory_;
  OpenedMemory opened_;                     // the other processes' registered buffers
  std::vector<EpilogueBuffers> epilogues_;  // registered ones, by rank
};

}  // namespace p2plab::cuda
