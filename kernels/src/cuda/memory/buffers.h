// SPDX-License-Identifier: Apache-2.0
// The user's side of a collective on GPUs: input and output of every rank, filled with test data and checked where they lie.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cuda/api.h"
#include "p2plab/program/measurement.h"
#include "p2plab/run/communicator.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab::cuda {

/// Memory of the current device, freed with its last owner.
using SharedMemory = std::shared_ptr<void>;
using Allocator = std::function<Result<SharedMemory>(Bytes)>;

struct BufferOptions {
  bool in_place = false;
  Allocator allocator = {};                 // empty: ordinary GPU memory
  bool uniform = false;                     // the same bytes for all ranks, as windows of NCCL want
  std::optional<Rank> only = std::nullopt;  // the other ranks' memory belongs to other processes
};

/// Input and output of a rank in one memory from `base` on, the smaller within the larger (see BufferLayout::output_within_input).
DeviceBuffers in_one_memory(std::uint64_t base, std::int64_t output_within_input);

class Buffers {
 public:
  /// Input and output of rank r on GPU devices[r]; one memory for both if `in_place`.
  /// Errors: unsupported (in place where no common block exists, more than 64 ranks), device_failure.
  static Result<Buffers> create(const Schedule& schedule, const Payload& payload, const std::vector<int>& devices, const BufferOptions& options);

  /// A piece of memory as it was allocated.
  struct Piece {
    Rank rank;
    SharedMemory memory;
    Bytes size;
  };
  /// What was allocated: per rank the input's memory, then, out of place, the output's.
  std::span<const Piece> pieces() const& { return pieces_; }
  std::span<const Piece> pieces() && = delete;

  /// By rank; zeros where the memory belongs to other processes.
  std::vector<DeviceBuffers> addresses() const;
  std::uint64_t input(Rank rank) const { return inputs_[rank.index()]; }
  std::uint64_t output(Rank rank) const { return outputs_[rank.index()]; }

  /// Writes the test data of `seed` to all inputs and poison to all outputs (where they are not the inputs). Returns when it is done.
  Status generate(std::uint64_t seed) const;
  /// The same of one rank's inputs, put on its stream; poisons nothing.
  Status generate_on(Rank rank, std::uint64_t seed, const Stream& stream) const;
  /// Compares one rank's outputs, put on its stream; adds to the CheckResult at address `found` of its GPU. No averages.
  Status compare_on(Rank rank, std::uint64_t seed, std::uint64_t found, const Stream& stream) const;
  /// Compares all outputs with the reduction of the data of `seed`.
  Result<DataCheck> compare(std::uint64_t seed) const;

 private:
  Buffers(const Schedule& schedule, const Payload& payload, const std::vector<int>& devices)
      : schedule_(&schedule), payload_(payload), layout_(schedule, payload), devices_(devices) {}
  Status allocate_rank(Rank rank);
  Result<std::uint64_t> allocate_piece(Rank rank, Bytes size);
  bool has(Rank rank) const { return !options_.only || *options_.only == rank; }
  device::BlockSpan span(Rank rank, std::size_t block, bool output) const;

  const Schedule* schedule_;
  Payload payload_;
  BufferLayout layout_;
  std::vector<int> devices_;
  BufferOptions options_;
  std::vector<Piece> pieces_;
  std::vector<std::uint64_t> inputs_;
  std::vector<std::uint64_t> outputs_;
  std::vector<std::int64_t> elements_;  // per block
};

}  // namespace p2plab::cuda
