// A program made ready on GPUs: memory, links between ranks, images and launch shapes; then any number of calls without further set-up.
#pragma once

#include <memory>
#include <vector>

#include "cuda/api.h"
#include "cuda/buffers.h"
#include "p2plab/executor.h"
#include "packet_image.h"
#include "slice_image.h"

namespace p2plab::cuda {

/// How kernels are launched; zeros are chosen by size.
struct RunShape {
  std::uint32_t threads = 0;
  std::uint32_t blocks = 0;               // packets only
  bool programmatic = true;               // packets only: set up a call while the one before still runs
  std::uint64_t timeout = 2'000'000'000;  // nanoseconds that a kernel waits for another rank
};

/// Does this protocol run element by element (true) or slice by slice?
bool by_packets(Protocol protocol);

class GpuRun {
 public:
  /// Rank r on GPU devices[r]; a GPU may carry several ranks. Errors: unsupported (no peer access, more blocks than fit at once), device_failure.
  static Result<GpuRun> create(const Job& job, const Buffers& buffers, const std::vector<int>& devices, const RunShape& shape);

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
    std::uint32_t blocks = 1;
  };
  struct Plans;

  GpuRun(const Job& job, const std::vector<int>& devices, const RunShape& shape);
  Status connect() const;
  Status prepare_packets(const Plans& plans);
  Status prepare_slices(const Routes& routes);
  Status place(const Buffers& buffers, const Plans& plans);
  Status upload_packets(std::size_t rank);
  Status upload_slices(std::size_t rank);
  Status choose_packet_shape(const Plans& plans);
  Status choose_slice_shape();
  static std::string packet_hang(const RankState& state, const image::HangReport& report);
  static std::string slice_hang(const RankState& state, const image::HangReport& report);

  static constexpr std::size_t report_bytes = 64;

  const Program* program_;
  const Routes* routes_;
  std::vector<int> devices_;
  RunShape shape_;
  device::KernelChoice choice_;
  int ranks_per_device_ = 1;
  std::vector<RankAddresses> addresses_;
  std::vector<RankState> ranks_;
  PinnedMemory reports_;  // one 64-byte HangReport per rank, then the abort word
};

}  // namespace p2plab::cuda
