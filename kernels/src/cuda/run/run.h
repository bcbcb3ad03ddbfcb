// SPDX-License-Identifier: Apache-2.0
// A program made ready on GPUs: memory, links between ranks, images and launch shapes; then any number of calls without further set-up.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "cuda/jit/special_kernel.h"
#include "cuda/memory/device_set.h"
#include "cuda/run/run_state.h"
#include "lowered/peer_access.h"
#include "p2plab/program/executor.h"
#include "p2plab/run/communicator.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::cuda {

class GpuRun {
 public:
  /// Memory comes from `device_set`, which must outlive the run, as must `kernels` and what `job` views. Errors: unsupported (no peer access, more
  /// blocks than fit at once, buffers that cannot be shared), device_failure. Where the device_set has several processes, all call this together.
  static Result<GpuRun> create(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set);
  GpuRun(GpuRun&&) noexcept = default;
  GpuRun& operator=(GpuRun&&) = delete;
  GpuRun(const GpuRun&) = delete;
  GpuRun& operator=(const GpuRun&) = delete;
  ~GpuRun();

  /// Puts one call of `rank` on `stream`, of the current device; `buffers` matter where they are staged.
  Status call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const;
  /// After the end of all calls: device_failure if a kernel gave up waiting, naming rank, step and the rank that was missing.
  Status hang() const;
  /// "lamport, 32 blocks of 128 threads", for notes.
  std::string describe() const;
  BufferUse use() const { return use_; }
  /// Is this one of the ranks that live in this process?
  bool has(Rank rank) const { return rank.value >= 0 && rank.value < program_->ranks() && device_set_->has(rank.index()); }

 private:
  GpuRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set);
  // run.cpp
  Status prepare(const RunPlans& plans);
  Status connect() const;
  RunPlans plan();
  Status launch(Rank rank, device::StreamHandle stream, const std::uint64_t* parameters) const;
  // run_memory.cpp
  Status place(std::span<const DeviceBuffers> buffers, const RunPlans& plans);
  Status place_rank(std::size_t rank, const RunPlans& plans);
  Status place_device(std::size_t rank, const RunPlans& plans);
  Status place_host(std::size_t rank, const RunPlans& plans);
  Status place_staging(std::size_t rank);
  Status exchange(std::span<const DeviceBuffers> buffers);
  Result<Arena::Region> take(std::size_t rank, Bytes size) { return device_set_->memory(rank).take(size); }
  // Blocks that every GPU holds at once, by what `ask` says of the GPUs here.
  Result<int> resident_everywhere(const std::function<int()>& ask) const;
  // run_packets.cpp
  Status prepare_packets(const RunPlans& plans);
  Status specialise(const RunPlans& plans);
  Status specialise_rank(std::size_t rank, std::int64_t blocks, std::int64_t batch, std::int64_t processors);
  Status interpret(RunPlans plans);
  void link(const RunPlans& plans, int width);
  Status choose_packet_shape();
  Status upload_packets(std::size_t rank);
  // run_slices.cpp
  Status prepare_slices();
  Status link_slice_images();
  Status choose_slice_shape();
  Status choose_bulk(int blocks);
  bool is_aligned() const;
  Status upload_slices(std::size_t rank);
  // run_copies.cpp
  Status prepare_copies();
  Status enqueue_by_copies(const RankState& state, device::StreamHandle stream) const;
  Status enqueue_copies(const RankState& state, std::uint32_t block, std::uint32_t number, const Stream& stream) const;
  // run_report.cpp
  std::uint64_t report_address(std::size_t rank) const { return addresses_[0].reports + rank * report_bytes; }
  std::uint64_t abort_address() const { return report_address(ranks_.size()); }
  static std::string packet_hang(const RankState& state, const image::HangReport& report);
  static std::string slice_hang(const RankState& state, const image::HangReport& report);

  static constexpr std::size_t report_bytes = 64;
  static constexpr std::uint64_t timeout = 2'000'000'000;  // nanoseconds that a kernel waits for another rank
  static constexpr std::int64_t counter_bytes = std::int64_t{1} << 16;
  // Stand for the buffers of a call that is to come: no address of memory has these bits.
  static constexpr std::uint64_t callers_input = std::uint64_t{1} << 56;
  static constexpr std::uint64_t callers_output = std::uint64_t{1} << 57;
  static bool is_callers(std::uint64_t address) { return (address & (callers_input | callers_output)) != 0; }
  static std::uint64_t callers_address(std::uint64_t address, const DeviceBuffers& buffers) {
    return (address & callers_input) != 0 ? address - callers_input + buffers.input : address - callers_output + buffers.output;
  }
  static std::int64_t round_up(std::int64_t value) { return (value + Arena::unit - 1) / Arena::unit * Arena::unit; }
  template <class T>
  static Bytes bytes_of(const std::vector<T>& values) {
    return Bytes{static_cast<std::int64_t>(values.size() * sizeof(T))};
  }

  const Program* program_;
  PeerAccess peer_access_;
  BufferLayout layout_;
  BufferUse use_;
  bool packets_ = false;  // element by element, or slice by slice?
  bool copies_ = false;   // the latter by copy engines
  KernelShape shape_;
  device::KernelChoice choice_;
  int share_ = 1;  // ranks and runs that share a GPU's thread blocks
  std::vector<RankAddresses> addresses_;
  OpenedMemory opened_;  // the other processes' registered buffers
  std::vector<RankState> ranks_;
  SpecialKernels* kernels_;
  DeviceSet* device_set_;
  std::string interpreted_;  // why there is no code made for the program
};

}  // namespace p2plab::cuda
