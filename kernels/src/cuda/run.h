// A program made ready on GPUs: memory, links between ranks, images and launch shapes; then any number of calls without further set-up.
#pragma once

#include <memory>
#include <vector>

#include "cuda/api.h"
#include "cuda/buffers.h"
#include "cuda/special_kernel.h"
#include "cuda/world.h"
#include "p2plab/executor.h"
#include "packet_image.h"
#include "reach.h"
#include "slice_image.h"

namespace p2plab::cuda {

class GpuRun {
 public:
  /// Rank r on GPU devices[r]; a GPU may carry several ranks. `kernels` must outlive the run. Errors: unsupported (no peer access, more blocks than
  /// fit at once), device_failure. With `world`, the other ranks live in other processes, which call this together; it must outlive the run.
  static Result<GpuRun> create(const Job& job, const Buffers& buffers, const std::vector<int>& devices, const KernelShape& shape,
                               SpecialKernels& kernels, World* world = nullptr);

  /// Puts one call of `rank` on `stream`, whose device must be the current one.
  Status enqueue(Rank rank, const Stream& stream) const;
  /// After the end of all calls: device_failure if a kernel gave up waiting, naming rank, step and the rank that was missing.
  Status hang() const;
  /// "flagless, 32 blocks of 128 threads", for notes.
  std::string describe() const;

 private:
  struct RankState {
    DeviceMemory arena;   // scratch, token, flags, counters
    DeviceMemory images;  // what does not fit into kernel parameters
    PinnedMemory host;    // host buffer, host flags, host landing area
    DeviceMemory landing;
    PacketImage packets;
    SliceImage slices;
    image::PacketCall packet_call;
    image::SliceCall slice_call;
    device::PacketTables tables;
    const void* special = nullptr;          // the kernel made for the program
    std::vector<std::uint64_t> parameters;  // of that kernel
    std::uint32_t blocks = 1;
    std::vector<Stream> lane_streams;  // by copy engines: for each part of each lane
    std::vector<Event> lane_events;
    Event begun;
  };

  // What both forms share while a run is prepared.
  struct Plans {
    PacketPlan packets;
    PacketFormat format;
    std::int64_t area = 0;  // bytes of one copy of the landing areas
    std::int64_t host_area = 0;
    std::int64_t flags = 0;
  };

  GpuRun(const Job& job, const std::vector<int>& devices, const KernelShape& shape, SpecialKernels& kernels);
  Status connect() const;
  Status prepare_packets(const Plans& plans);
  Status prepare_slices();
  Status prepare_copies();
  Status link_slice_images();
  Status enqueue_by_copies(const RankState& state, const Stream& stream) const;
  Status enqueue_copies(const RankState& state, std::uint32_t block, std::uint32_t number, const Stream& stream) const;
  Status place(const Buffers& buffers, const Plans& plans);
  Status place_rank(Rank rank, const Buffers& buffers, const Plans& plans);
  Result<std::uint64_t> allocate_host(RankState& state, Bytes size);
  Status exchange(const Buffers& buffers, const Plans& plans);
  /// Is this rank's memory and kernel this process's business?
  bool has(std::size_t rank) const { return world_ == nullptr || world_->rank().index() == rank; }
  /// The lowest rank that is.
  std::size_t own() const { return world_ != nullptr ? world_->rank().index() : 0; }
  std::uint64_t report_address(std::size_t rank) const { return (world_ != nullptr ? world_->reports() : reports_.address()) + rank * report_bytes; }
  Status upload_packets(std::size_t rank);
  Status upload_slices(std::size_t rank);
  void link(const Plans& plans, int width);
  Status specialise(const Plans& plans);
  Status interpret(Plans plans);
  Status choose_packet_shape();
  Status choose_slice_shape();
  Status choose_bulk(int blocks);
  bool is_aligned() const;
  static std::string packet_hang(const RankState& state, const image::HangReport& report);
  static std::string slice_hang(const RankState& state, const image::HangReport& report);

  static constexpr std::size_t report_bytes = 64;
  static constexpr std::uint64_t timeout = 2'000'000'000;  // nanoseconds that a kernel waits for another rank
  static constexpr std::int64_t counter_bytes = std::int64_t{1} << 16;
  static std::int64_t round_up(std::int64_t value) { return (value + 255) / 256 * 256; }
  template <class T>
  static Bytes bytes_of(const std::vector<T>& values) {
    return Bytes{static_cast<std::int64_t>(values.size() * sizeof(T))};
  }

  const Program* program_;
  Reach reach_;
  bool packets_ = false;  // element by element, or slice by slice?
  bool copies_ = false;   // the latter by copy engines
  std::vector<int> devices_;
  KernelShape shape_;
  device::KernelChoice choice_;
  int ranks_per_device_ = 1;
  std::vector<RankAddresses> addresses_;
  std::vector<RankState> ranks_;
  SpecialKernels* kernels_;
  std::string interpreted_;  // why there is no code made for the program
  World* world_ = nullptr;
  PinnedMemory reports_;  // one 64-byte HangReport per rank, then the abort word
};

}  // namespace p2plab::cuda
