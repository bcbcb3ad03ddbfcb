// SPDX-License-Identifier: Apache-2.0
// What the runtime asks of CUDA itself. Built with CUDA, src/cuda/device_calls.cpp defines these; built without, src/executors/not_built.cpp does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lowered/kernel_args.h"
#include "p2plab/base/result.h"
#include "p2plab/base/units.h"
#include "p2plab/schedule/payload.h"
#include "rows/epilogue_args.h"

namespace p2plab::runtime::device {

/// GPUs that can be used. Errors: no_device, not_built.
Result<int> count();
/// "0000:8a:00.0", and whether `device` reaches the GPU of that name, as far as this process can see.
Result<std::string> bus_id(int device);
/// "NVIDIA H200".
Result<std::string> name(int device);
enum class Reach { unseen, none, peer, nvlink };
Reach reach(int device, const std::string& bus_id);

/// For as long as this lives, `device` is the current one of this thread; then the one before is.
class Current {
 public:
  explicit Current(int device);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  Current(Current&&) = delete;
  Current& operator=(Current&&) = delete;
  const Status& status() const { return status_; }

 private:
  int before_ = -1;
  Status status_;
};

/// Begins a thread of our own that works for this GPU, and perhaps for others, too: what it does spoils no capture of others, and it makes no context
/// on GPU 0, which is every thread's at first. The application's signals are left to its own threads.
void begin_thread(int device);
/// The GPU that a stream is of; of the streams that each GPU has by itself, the current one.
Result<int> device_of(void* stream);
/// The number of the capture that a stream is in; 0: none.
Result<std::uint64_t> capture_of(void* stream);

/// Has `over` called once the graph that a stream is being captured into, and all that was made of it, are gone: by a thread of CUDA's, which must
/// not call CUDA. Where the stream is not being captured nothing is done.
Status watch_graph(void* stream, std::function<void()> over);

/// Waits for all that was put on a GPU's streams.
Status synchronize(int device);

/// Memory of a GPU, freed with its last owner.
Result<std::shared_ptr<void>> allocate(int device, Bytes size);

/// Rows of `width` bytes, from one distance to another, within one GPU's memory.
struct Rows {
  std::uint64_t to = 0;
  std::int64_t to_pitch = 0;
  std::uint64_t from = 0;
  std::int64_t from_pitch = 0;
  std::int64_t width = 0;
  int rows = 1;
};
Status copy(const Rows& rows, void* stream);

/// Memory of the host that all GPUs see, zero; freed with its last owner.
Result<std::shared_ptr<void>> pinned(Bytes size);

/// Rows of an epilogue, as a kernel of their own of at most so many blocks; 0: any number.
Status rows(DataType type, const args::EpilogueCall& call, int most_blocks, void* stream);

/// Has what `neighbours` launches loaded on the GPU.
Status load_neighbours(int device);

/// Tells others on the GPU that what was put on the stream before is done, then waits for what they give.
Status neighbours(const args::NeighbourCall& call, void* stream);

/// A stream of our own on a GPU, which waits for none by itself; ends with its last owner.
Result<std::shared_ptr<void>> stream(int device);

/// Puts what comes on one stream after what is on another. What is captured on the earlier one takes the later one into the capture.
class Order {
 public:
  static Result<Order> create(int device);
  Status after(void* earlier, void* later) const;
  /// The same in two steps: marks where a stream is now, and has another one wait for the latest mark.
  Status mark(void* stream) const;
  Status wait(void* stream) const;

 private:
  std::shared_ptr<void> event_;
};

/// What a GPU's clock showed at some time between two of this process (CLOCK_MONOTONIC), in ns.
struct ClockLook {
  std::uint64_t before = 0;
  std::uint64_t device = 0;
  std::uint64_t after = 0;
};
/// Asks a GPU what time it is, by a kernel of one thread on a stream of its own that nobody waits for long.
class DeviceClock {
 public:
  static Result<DeviceClock> create(int device);
  /// Nothing if the GPU has not answered within 0.2 ms: then it is not asked again until it has.
  std::optional<ClockLook> look();

 private:
  struct Body;
  std::shared_ptr<Body> body_;
};

/// Memory of a GPU, zero at first, that kernels write and this process reads beside them: on a stream of its own, without waiting for any other.
class Mirror {
 public:
  static Result<Mirror> create(int device, Bytes size);
  std::uint64_t address() const;
  /// Reads a part; then it is in `bytes`, at the same place.
  Status read(Bytes from, Bytes size) const;
  /// Makes a part zero again.
  Status clear(Bytes from, Bytes size) const;
  const std::byte* bytes() const;

 private:
  struct Body;
  std::shared_ptr<Body> body_;
};

}  // namespace p2plab::runtime::device
